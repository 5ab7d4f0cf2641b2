import { defineCommand } from '../spec.ts';
import { transferArguments, transferFlags } from './transfer-flags.ts';

export const spec = defineCommand({
  name: 'add',
  group: 'Containers',
  summary: 'Add files, directories, URLs, git repositories or the content of archives to a container',
  description:
    'Adds files and directories to a working container. Local archives are unpacked, URLs are downloaded, of a git repository (URL.git#ref:subdir) the files of one commit are taken. Prints the digest of what was added.',
  usage: '[flags] CONTAINER SOURCE... [DESTINATION]',
  examples: [
    'bld add "$ctr" app.tar.gz /opt/app',
    'bld add "$ctr" https://example.com/config.json /etc/app/',
  ],
  flags: transferFlags,
  args: transferArguments,
});
