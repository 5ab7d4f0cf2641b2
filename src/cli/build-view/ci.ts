import { relative, resolve } from 'node:path';
import type { BldError, Spot } from '../../base/errors.ts';
import { randomHex } from '../../base/random.ts';

/** How a log's reader folds and marks parts of it. All texts end with their line. */
export interface Folding {
  /** Begins a part that can be folded. */
  begin(title: string): string;
  end(): string;
  /** A line that a command wrote, so that the reader takes none of it for an order of ours. */
  harmless(line: string): string;
  /** Marks a failure at its place; nothing where the reader knows no such mark. */
  failure(error: BldError): string;
  /** As `failure`, for what only deserves a look. */
  warning(title: string, message: string, spot: Spot): string;
}

/** Where files are: names in errors start at `directory`, GitHub's at `workspace`. */
export interface Places {
  readonly directory: string;
  readonly workspace: string | undefined;
}

/** GitHub's workflow commands. Within a part no command is heard but the one that ends it. */
export function githubFolding(places: Places, token = `bld-${randomHex(16)}`): Folding {
  const at = ({ file, line }: Spot) => `file=${escapeProperty(shownFile(file, places))},line=${line}`;
  return {
    begin: (title) => `::group::${escapeData(title)}\n::stop-commands::${token}\n`,
    end: () => `::${token}::\n::endgroup::\n`,
    harmless: (text) => text,
    failure({ message, spot }) {
      const [first = ''] = message.split('\n', 1);
      return `::error${spot ? ` ${at(spot)}` : ''}::${escapeData(first)}\n`;
    },
    warning: (title, message, spot) =>
      `::warning ${at(spot)},title=${escapeProperty(title)}::${escapeData(message)}\n`,
  };
}

function shownFile(file: string, { directory, workspace = '' }: Places): string {
  const path = resolve(directory, file);
  return workspace !== '' && path.startsWith(`${workspace}/`) ? relative(workspace, path) : file;
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/** GitLab's sections, folded; `time` gives seconds since 1970. */
export function gitlabFolding(time: () => number = () => Math.floor(Date.now() / 1000)): Folding {
  let count = 0;
  const name = () => `bld_step_${process.pid}_${count}`;
  return {
    begin(title) {
      count += 1;
      return `\x1b[0Ksection_start:${time()}:${name()}[collapsed=true]\r\x1b[0K${title}\n`;
    },
    end: () => `\x1b[0Ksection_end:${time()}:${name()}\r\x1b[0K\n`,
    // a mark needs its name and a number; in another's output it loses its colon
    harmless: (text) => text.replace(/section_(start|end):/g, 'section_$1 :'),
    failure: () => '',
    warning: () => '',
  };
}
