import { between, type Random, randomFor } from '../../../scripts/seed/random.ts';
import type { Fault } from './fault.ts';
import { faults } from './faults.ts';

/** What one seed stands for. */
export interface Schedule {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** What the run is ended with. */
  readonly ending: 'resume' | 'rollback';
  /** Goes wrong with the ending, the first time. */
  readonly endingFault: Fault | undefined;
  readonly batchSize: number;
  readonly graph: boolean;
  /** Whether keys are copied. */
  readonly copies: boolean;
  /** Whether a finished move is asked for once more. */
  readonly again: boolean;
  /** Awaited after each run: until what the fault broke is up again. */
  readonly mended?: () => Promise<void>;
}

/** Each so many seeds one world is moved by copies; it shares no factor with the number of faults. */
const COPIES_EACH = 5;

/** The same seed gives the same schedule. */
export function scheduleOf(seed: number, among: readonly Fault[] = faults): Schedule {
  const random = randomFor(seed, 'schedule');
  const first = among[(seed - 1) % among.length];
  if (first === undefined) throw new Error('there are no faults to draw from');
  const graph = first.proxy === 'graph' || (first.where === 'process' && random() < 0.2);
  const others = among.filter((fault) => goTogether(first, fault) && (graph || fault.proxy !== 'graph'));
  const second = first.loses !== true && random() < 0.3 ? oneOf(random, others) : undefined;
  const ending = random() < 0.5 ? 'resume' : 'rollback';
  const alone = among.filter((fault) => fault.loses !== true && (graph || fault.proxy !== 'graph'));
  return {
    seed,
    faults: second === undefined ? [first] : [first, second],
    ending,
    endingFault: random() < 0.25 ? oneOf(random, alone) : undefined,
    batchSize: between(random, 3, 60),
    graph,
    copies: seed % COPIES_EACH === 0,
    again: random() < 0.2,
  };
}

/** What is done to this process cannot be met by a run in another. */
function goTogether(first: Fault, second: Fault): boolean {
  if (second.kind === first.kind || second.loses === true) return false;
  const inProcess = first.drive === 'in-process' && second.drive === 'in-process';
  return inProcess || !(isOfThisProcess(first) || isOfThisProcess(second));
}

function isOfThisProcess({ drive, where }: Fault): boolean {
  return drive === 'in-process' && (where === 'run folder' || where === 'clock' || where === 'process');
}

function oneOf<T>(random: Random, items: readonly T[]): T | undefined {
  return items[between(random, 0, items.length)];
}
