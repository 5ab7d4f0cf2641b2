import { bool, text } from '../flag.ts';
import { registryFlags, tlsFlags } from '../flags.ts';
import { defineCommand } from '../spec.ts';

export const spec = defineCommand({
  name: 'login',
  group: 'Registries',
  summary: 'Check and keep a login for a registry',
  description:
    'Asks the registry whether the login is right and keeps it. What is not given by flags is asked for on a terminal; nothing else in bld ever asks.',
  usage: '[flags] REGISTRY',
  examples: ['echo "$TOKEN" | bld login --username ci --password-stdin registry.example.com'],
  flags: {
    ...tlsFlags,
    authfile: registryFlags.authfile,
    'compat-auth-file': text("Docker's configuration file to write instead", { value: 'PATH' }),
    'get-login': bool('print the user who is logged in'),
    password: text('password: visible to others on this machine', { value: 'PASSWORD', short: 'p' }),
    'password-stdin': bool('read the password from standard input'),
    username: text('user', { value: 'NAME', short: 'u' }),
    verbose: bool('say where the login is kept', { short: 'v' }),
  },
  args: {
    min: 1,
    max: 1,
    after: 'free',
    missing: 'please specify a registry to login to',
    excess: 'too many arguments, login takes only 1 argument',
  },
});
