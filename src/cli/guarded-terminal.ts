import { Writable } from 'node:stream';
import { withoutCommands } from '../report/workflow-commands.ts';
import type { Terminal } from './terminal.ts';

/** Where a CI obeys commands in the output (GitHub Actions, Azure Pipelines): a terminal on which only `annotate` can give them. */
export function guardedTerminal(terminal: Terminal): Terminal {
  const { GITHUB_ACTIONS, TF_BUILD } = terminal.env;
  const isGitHub = GITHUB_ACTIONS === 'true';
  if (!isGitHub && TF_BUILD?.toLowerCase() !== 'true') return terminal;
  const { stdout, stderr } = terminal;
  return {
    ...terminal,
    stdout: guarded(stdout),
    stderr: guarded(stderr),
    ...(isGitHub ? { annotate: (line: string) => void stderr.write(`${line}\n`) } : {}),
  };
}

/** Each write is passed on at once, in order. */
function guarded(stream: Terminal['stderr']): Terminal['stderr'] {
  const out = new Writable({
    decodeStrings: false,
    write(chunk: string | Uint8Array, _encoding, done) {
      stream.write(typeof chunk === 'string' ? withoutCommands(chunk) : chunk);
      done();
    },
  });
  const { isTTY = false, columns } = stream;
  return Object.assign(out, { isTTY, ...(columns === undefined ? {} : { columns }) });
}
