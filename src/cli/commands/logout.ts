import { bool, text } from '../flag.ts';
import { registryFlags } from '../flags.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'logout',
  group: 'Registries',
  summary: 'Forget the login of a registry',
  usage: '[flags] REGISTRY',
  examples: ['bld logout registry.example.com', 'bld logout --all'],
  flags: {
    all: bool('forget all logins', { short: 'a' }),
    authfile: registryFlags.authfile,
    'compat-auth-file': text("Docker's configuration file to change instead", { value: 'PATH' }),
  },
  args: { max: 1, after: 'free', excess: 'too many arguments, logout takes at most 1 argument' },
});
