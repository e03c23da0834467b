import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach } from 'vitest';
import type { Move } from '../../src/model/move.ts';
import type { ConfigPlan } from '../../src/stages/config/config-plan.ts';
import type { ConfigSecrets } from '../../src/stages/config/config-secrets.ts';
import type { UnmaskedRecords } from '../../src/stages/config/recorded-secrets.ts';
import { configStage } from '../../src/stages/config.ts';
import type { Checkpoint, Finding, Problem, StageEvent, StageOptions } from '../../src/stages/stage.ts';
import {
  type ConfigApiSettings,
  type ConfigReader,
  type ConfigWriter,
  openConfigReader,
  openConfigWriter,
} from '../../src/stores/config-api/config-api.ts';
import { type ConfigApiStandIn, type Sections, startConfigApiStandIn } from './config-api-stand-in.ts';
import type { RequestRecord } from './fault-http.ts';
import { applyContext, drain, planContext, temporaryUndoLog } from './stage-context.ts';

export const TOKEN = 'bearer-token-of-the-test';
export const LLM_KEY = 'sk-live-0123456789abcdef';
export const SHORT_KEY = 'tiny-pw';
const MINERU_TOKEN = 'mineru-9876543210-wxyz';
export const SECRETS = [TOKEN, LLM_KEY, SHORT_KEY, MINERU_TOKEN];
export const MOVE: Move = { source: 'siraya', target: 'tenant_76920508' };

export const CONFIG: Sections = {
  llm_config: { model: 'gpt-4o', api_key: LLM_KEY, temperature: 0.7, max_tokens: 4096 },
  embedding_config: { model: 'bge', api_key: SHORT_KEY },
  mineru_config: { api_token: MINERU_TOKEN, pages: [1, 2, 3] },
  custom_prompts: { summary: 'Separate with *** and answer in 繁體中文 🦊' },
};
export const GIVEN: ConfigSecrets = {
  llm_config: { api_key: LLM_KEY },
  embedding_config: { api_key: SHORT_KEY },
  mineru_config: { api_token: MINERU_TOKEN },
};
/** Other secrets, one of them a mask that was copied, which the API shows just as the real ones. */
export const LOOKS_EQUAL: Sections = {
  ...CONFIG,
  llm_config: { ...CONFIG.llm_config, api_key: 'sk-replaced-0000-cdef' },
  embedding_config: { ...CONFIG.embedding_config, api_key: '***' },
  mineru_config: { ...CONFIG.mineru_config, api_token: 'min-replaced-0000-wxyz' },
};
export const OPEN_CONFIG: Sections = { llm_config: { model: 'gpt-4o' }, custom_prompts: { summary: 'Be brief' } };

export interface StartOptions {
  readonly moves?: readonly Move[];
  readonly given?: ConfigSecrets;
  readonly key?: string;
  /** The application's own records, unmasked. */
  readonly records?: UnmaskedRecords;
  readonly options?: Partial<StageOptions>;
  readonly settings?: Partial<ConfigApiSettings>;
}

export interface Run {
  readonly plan: ConfigPlan;
  readonly events: StageEvent[];
  /** What the undo log's file holds, unpacked. */
  undoText(): Promise<string>;
  apply(hooks?: { permit?: () => Promise<void>; onUndo?: () => void }): Promise<readonly Checkpoint[]>;
  verify(phase?: 'applied' | 'finalized'): Promise<readonly Finding[]>;
  finalize(): Promise<readonly Checkpoint[]>;
  /** With other secrets than the run was given, where `again` is there. */
  undo(again?: { given?: ConfigSecrets; key?: string }): Promise<readonly Checkpoint[]>;
  quiesce(signal?: AbortSignal): Promise<void>;
  notes(): readonly string[];
}

/** A fresh simulated API for each test, and the config stage against it. */
export interface ConfigWorld {
  readonly api: ConfigApiStandIn;
  /** Plans; the rest of the run is at the caller's hands. */
  start(options?: StartOptions): Promise<Run>;
  preflight(settings?: Partial<ConfigApiSettings>): Promise<readonly Problem[]>;
  reader(settings?: Partial<ConfigApiSettings>): Promise<ConfigReader>;
  settingsOf(settings?: Partial<ConfigApiSettings>): ConfigApiSettings;
  /** What the API keeps for a tenant, unmasked. */
  stored(id: string): Sections | undefined;
  /** The requests that ask for a change. */
  writes(): readonly RequestRecord[];
}

/** To be called once in a test file. */
export function configWorld(): ConfigWorld {
  let api: ConfigApiStandIn;
  let opened: { close(): Promise<void> }[];

  beforeEach(async () => {
    api = await startConfigApiStandIn({ token: TOKEN });
    opened = [];
  });

  afterEach(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await api.close();
  });

  return {
    get api() {
      return api;
    },
    start,
    preflight,
    reader,
    settingsOf,
    stored: (id) => api.stored(id)?.sections,
    writes: () => api.requests.filter(({ write }) => write),
  };

  /** Plans with a reader; the plan goes through JSON, as between `plan` and `apply`. */
  async function start({
    moves = [MOVE],
    given,
    key,
    records,
    options = {},
    settings = {},
  }: StartOptions = {}): Promise<Run> {
    const events: StageEvent[] = [];
    const kept = records === undefined ? {} : { records };
    const stage = configStage(given, { encryptionKey: key, ...kept });
    const reading = planContext(await reader(settings), { options, events });
    const plan = JSON.parse(JSON.stringify(await stage.plan(moves, reading))) as ConfigPlan;
    const undoPath = join(await mkdtemp(join(tmpdir(), 'tenant-migrate-config-')), 'undo.gz');
    const undo = await temporaryUndoLog(undoPath);
    opened.push(undo);
    const store = await writer(settings);
    const writing = await applyContext(store, { options, events, undo });
    return {
      plan,
      events,
      undoText: async () => {
        const packed = await readFile(undoPath);
        return packed.length === 0 ? '' : gunzipSync(packed).toString('utf8');
      },
      apply: ({ permit, onUndo } = {}) =>
        drain(
          stage.apply(plan, {
            ...writing,
            ...(permit === undefined ? {} : { permit }),
            undo: {
              read: () => undo.read(),
              append: async (entries) => {
                const batch = await undo.append(entries);
                onUndo?.();
                return batch;
              },
            },
          }),
        ),
      verify: (phase = 'applied') => stage.verify(plan, phase, reading),
      finalize: () => drain(stage.finalize(plan, writing)),
      undo: (again) =>
        drain(
          (again === undefined ? stage : configStage(again.given, { encryptionKey: again.key, ...kept })).undo(
            plan,
            writing,
          ),
        ),
      quiesce: (signal = writing.signal) => stage.quiesce?.([...moves], { ...writing, signal }) ?? Promise.resolve(),
      notes: () => events.flatMap((event) => (event.type === 'note' ? [event.text] : [])),
    };
  }

  async function preflight(settings: Partial<ConfigApiSettings> = {}): Promise<readonly Problem[]> {
    return configStage(undefined).preflight([MOVE], planContext(await reader(settings)));
  }

  async function reader(settings: Partial<ConfigApiSettings> = {}): Promise<ConfigReader> {
    const store = await openConfigReader(settingsOf(settings));
    opened.push(store);
    return store;
  }

  async function writer(settings: Partial<ConfigApiSettings> = {}): Promise<ConfigWriter> {
    const store = await openConfigWriter(settingsOf(settings));
    opened.push(store);
    return store;
  }

  function settingsOf(settings: Partial<ConfigApiSettings> = {}): ConfigApiSettings {
    return {
      url: api.url,
      token: TOKEN,
      path: '/tenants/{tenant}/config',
      method: 'PUT',
      timeoutMs: 5000,
      ...settings,
    };
  }
}
