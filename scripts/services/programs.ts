import { findOnPath } from './find-on-path.ts';

/** A program that tests or their servers start. */
export interface Program {
  /** Debian's packages that bring it. Of names with `|` between them the first that the release has. */
  readonly packages: readonly string[];
  /** The service that the package may start at once, by its name. Tests use servers of their own, so it is stopped. */
  readonly service?: string;
}

/** Every program beside Node that tests, demo and benchmarks use and a bare Debian lacks: the one list of them. */
export const PROGRAMS = {
  'redis-server': { packages: ['redis-server'], service: 'redis-server' },
  'redis-cli': { packages: ['redis-tools'] },
  // Neo4j 5.26 runs on Java 17 and 21; a Debian release has one of them.
  java: { packages: ['openjdk-17-jre-headless|openjdk-21-jre-headless'] },
  mvn: { packages: ['maven'] },
  sshd: { packages: ['openssh-server'], service: 'ssh' },
  ssh: { packages: ['openssh-client'] },
  promtool: { packages: ['prometheus'], service: 'prometheus' },
  chromium: { packages: ['chromium'] },
  zsh: { packages: ['zsh'] },
  fish: { packages: ['fish'] },
  groff: { packages: ['groff-base'] },
  mandoc: { packages: ['mandoc'] },
  ps: { packages: ['procps'] },
  script: { packages: ['bsdutils'] },
  cc: { packages: ['gcc', 'libc6-dev'] },
} as const satisfies Readonly<Record<string, Program>>;

export type ProgramName = keyof typeof PROGRAMS;

export const programNames = Object.keys(PROGRAMS) as readonly ProgramName[];

/** Which of these programs this machine lacks. */
export async function missingPrograms(names: readonly ProgramName[]): Promise<readonly ProgramName[]> {
  const found = await Promise.all(names.map((name) => findOnPath(name)));
  return names.filter((_, index) => found[index] === undefined);
}

/** What to say of a program that is not there, such as `no promtool here (Debian: prometheus)`. */
export function absenceOf(name: ProgramName): string {
  return `no ${name} here (Debian: ${PROGRAMS[name].packages.join(' ').replaceAll('|', ' or ')})`;
}
