import type { Invocation } from './invocation.ts';

/** What a positional argument names; shells complete it. */
export type Names = 'run' | 'unfinished run' | 'backup' | 'file' | readonly string[];

/** A word behind a command. */
export interface Positional {
  readonly name: string;
  readonly help: string;
  readonly required?: true;
  readonly names?: Names;
}

/** One command, as the parser, help, shells and the manual page know it. */
export interface Command {
  /** As it is typed: `backup create`. */
  readonly name: Invocation['command'];
  readonly help: string;
  readonly positionals: readonly Positional[];
  /** As people are shown it, where the parser takes the words in another way. */
  readonly usage?: string;
  /** What is said where a required word is missing. */
  readonly missing?: { readonly what: string; readonly next: string };
}

const ENDS: readonly Positional[] = [
  { name: 'source', help: 'tenant id now' },
  { name: 'target', help: 'tenant id afterwards' },
];
const RUN: readonly Positional[] = [{ name: 'run', help: 'id of the run, as runs lists it', names: 'run' }];
const UNFINISHED: readonly Positional[] = [
  { name: 'run', help: 'id of the run, as runs lists it', names: 'unfinished run' },
];
const BACKUP: Pick<Command, 'positionals' | 'missing'> = {
  positionals: [{ name: 'id', help: 'id of the backup, or its start', required: true, names: 'backup' }],
  missing: { what: 'the id of a backup is needed', next: 'tenant-migrate backup list shows them' },
};

/** All commands in the order of help. A name of two words stands below its first word. */
export const COMMANDS: readonly Command[] = [
  { name: 'move', help: 'move a tenant (also without the word move)', positionals: ENDS },
  { name: 'plan', help: 'show what would be done; writes nothing', positionals: ENDS },
  {
    name: 'apply',
    help: 'execute a stored plan',
    positionals: [{ name: 'plan', help: 'file made by plan --out', required: true, names: 'file' }],
    missing: {
      what: 'the file of a plan is needed',
      next: 'tenant-migrate plan <source> <target> --out plan.json makes one',
    },
  },
  { name: 'verify', help: 'check that a move is complete', positionals: ENDS },
  { name: 'resume', help: 'go on with a run; without a run the newest unfinished one', positionals: UNFINISHED },
  { name: 'rollback', help: 'take back what a run did; without a run the newest unfinished one', positionals: RUN },
  { name: 'status', help: 'what became of a run; without a run the newest one', positionals: RUN },
  { name: 'report', help: 'the report of a run once more; without a run the newest one', positionals: RUN },
  {
    name: 'control',
    help: 'speak to a run that is under way; without a run to the newest one: control pause',
    usage: 'control [run] <action>',
    positionals: [
      { name: 'run', help: 'id of the run, as runs lists it', required: true, names: 'unfinished run' },
      {
        name: 'action',
        help: 'status, pause, resume, rate=<as --rate has it>, abort',
        names: ['status', 'pause', 'resume', 'rate=', 'abort'],
      },
    ],
    missing: {
      what: 'what to tell the run is needed: status, pause, resume, rate=… or abort',
      next: 'tenant-migrate control status',
    },
  },
  { name: 'runs', help: 'all runs in the state folder', positionals: [] },
  { name: 'runs cleanup', help: 'remove finished runs that are older than --days', positionals: [] },
  {
    name: 'backup create',
    help: 'back up a tenant from all stores',
    positionals: [{ name: 'tenant', help: 'tenant id', required: true }],
    missing: { what: 'the tenant’s id is needed', next: 'tenant-migrate backup create <tenant>' },
  },
  { name: 'backup list', help: 'all backups in the state folder', positionals: [] },
  { name: 'backup verify', help: 'check that a backup is as it was written', ...BACKUP },
  { name: 'backup restore', help: 'write back what the stores lack; overwrites nothing', ...BACKUP },
  { name: 'backup extend', help: 'keep a backup for --days from now', ...BACKUP },
  { name: 'backup cleanup', help: 'remove backups whose time has passed', positionals: [] },
  {
    name: 'doctor',
    help: 'check each store and this machine, and say what to do; writes nothing',
    positionals: ENDS,
  },
  { name: 'init', help: 'write a settings file with what can be found here', positionals: [] },
  {
    name: 'schema',
    help: 'print the JSON Schema of the settings file (for editors), the plan or the report',
    positionals: [
      {
        name: 'document',
        help: 'settings, plan or report; where absent settings',
        names: ['settings', 'plan', 'report'],
      },
    ],
  },
  {
    name: 'completion',
    help: 'print the script with which a shell completes this command',
    positionals: [
      { name: 'shell', help: 'bash, zsh or fish; where absent that of $SHELL', names: ['bash', 'zsh', 'fish'] },
    ],
  },
];

/** First words that are no command of their own, and what they are for. */
export const FAMILIES: Readonly<Record<string, string>> = {
  backup: 'keep a tenant’s data in a folder, and bring it back',
};

/** `backup create` as help shows it: `backup create <tenant>`. */
export function synopsis({ name, positionals }: Command): string {
  return [name, ...positionals.map((one) => (one.required ? `<${one.name}>` : `[${one.name}]`))].join(' ');
}

/** The same for people. */
export function usageOf(command: Command): string {
  return command.usage ?? synopsis(command);
}

/** What the process ends with. */
export const EXIT_CODES: readonly { readonly code: string; readonly meaning: string }[] = [
  { code: '0', meaning: 'done and verified, or nothing to do' },
  { code: '1', meaning: 'unexpected error' },
  { code: '2', meaning: 'differences found' },
  { code: '3', meaning: 'failed, all taken back' },
  { code: '4', meaning: 'failed, partial: resume or rollback' },
  { code: '5', meaning: 'refused before any write' },
  { code: '64', meaning: 'usage' },
  { code: '78', meaning: 'state folder, settings file or secrets file wrong' },
  { code: '129/130/143', meaning: 'stopped by SIGHUP/SIGINT/SIGTERM: resume or rollback' },
];

/** Shown below help, with what each is for. */
export const EXAMPLES: readonly (readonly [line: string, meaning: string])[] = [
  ['siraya tenant_76920508 --dry-run', 'what would be done'],
  ['siraya tenant_76920508', 'move, then verify'],
  ['siraya tenant_76920508 --skip-config --skip-redis', 'only what is left'],
  ['move --map tenants.csv', 'many tenants: a file with the header source,target'],
  ['plan siraya tenant_76920508 --out plan.json', 'look first, then: tenant-migrate apply plan.json'],
];

/** In a line. */
export const DESCRIPTION = 'Moves a tenant from one id to another across config API, Redis, Qdrant and Memgraph/Neo4j.';
