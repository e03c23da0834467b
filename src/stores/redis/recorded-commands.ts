import type { Command } from './redis-connection.ts';

/** One command as it was asked for. */
export interface Recorded {
  readonly command: Command;
  /** Its place among the commands that were taken down with it. */
  readonly index: number;
  /** Whether the reply is wanted as bytes. */
  readonly bytes: boolean;
}

/** What takes commands: the driver's pipeline, or a {@link Recorder}. */
export interface CommandSink {
  call(command: string, ...args: (string | Buffer)[]): CommandSink;
  callBuffer(command: string, ...args: (string | Buffer)[]): CommandSink;
}

/** Takes commands down, to be sent to the masters that they concern. */
export class Recorder implements CommandSink {
  readonly commands: Recorded[] = [];

  call(command: string, ...args: (string | Buffer)[]): this {
    this.commands.push({ command: [command, ...args], index: this.commands.length, bytes: false });
    return this;
  }

  callBuffer(command: string, ...args: (string | Buffer)[]): this {
    this.commands.push({ command: [command, ...args], index: this.commands.length, bytes: true });
    return this;
  }
}

/** Commands that name no key. */
const KEYLESS = new Set(
  'ACL ASKING CLIENT CLUSTER COMMAND CONFIG DBSIZE DISCARD EXEC INFO MULTI PING SCAN SCRIPT SELECT TIME UNWATCH WAIT'.split(
    ' ',
  ),
);
/** Commands whose key does not stand first, and where it stands. */
const KEY_AT: Readonly<Record<string, number>> = { EVAL: 2, EVALSHA: 2, MEMORY: 1, OBJECT: 1, XINFO: 1 };

/** The key (the first, where there are several) that a command of this program names; undefined where it names none. */
export function keyOf(command: Command): string | Buffer | undefined {
  const [name] = command;
  const known = isUpperCase(name) ? name : name.toUpperCase();
  return KEYLESS.has(known) ? undefined : command[1 + (KEY_AT[known] ?? 0)];
}

/** By its first letter: asked for every command. */
const isUpperCase = (name: string): boolean => name.charCodeAt(0) < 97;
