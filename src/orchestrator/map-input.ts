import type { MapFolder } from '../journal/map-folder.ts';
import type { Move } from '../model/move.ts';
import type { Waves, WaveView } from '../model/waves.ts';
import type { RunPlan } from '../report/report.ts';
import type { BoundStage } from './bound-stage.ts';
import type { RunInput } from './run-input.ts';

/** What a list of moves that takes several waves is told, beside what every wave is told. */
export interface MapInput
  extends Omit<RunInput, 'moves' | 'map' | 'stages' | 'resume' | 'stored' | 'exactPlan' | 'confirm' | 'backup'> {
  /** As they were asked for. */
  readonly moves: readonly Move[];
  readonly waves: Waves;
  /** The map that is resumed; elsewhere an unfinished map of the same list is found. */
  readonly resume?: MapFolder | undefined;
  readonly maps: MapFolders;
  /** The stages for one wave, or for a look at all of them. Nothing is connected yet; each is closed by who asked. */
  readonly stagesFor: (view: WaveView | undefined) => readonly BoundStage[];
  /** Asked once, before the first wave; undefined where nobody is to be asked. */
  readonly confirm?: ((plan: RunPlan) => Promise<boolean>) | undefined;
  /** Makes the backups of all tenants that was asked for, before the first wave. */
  readonly backup?: ((stages: readonly BoundStage[]) => NonNullable<RunInput['backup']>) | undefined;
  /** Take all waves back where one fails. */
  readonly autoRollback: boolean;
}

/** The state folder's maps. */
export interface MapFolders {
  /** The id of a map that is yet to be made. `startedAt`: ISO 8601. */
  newId(startedAt: string): string;
  create(map: Parameters<typeof MapFolder.create>[1]): Promise<MapFolder>;
  /** Newest first. */
  all(): Promise<readonly MapFolder[]>;
}
