import { MigrateError } from '../../model/errors.ts';
import { openControlCalls } from './control-calls.ts';
import { loadPointJson } from './point-json.ts';
import type { QdrantReader, QdrantSettings, QdrantWriter } from './qdrant-reader.ts';
import { openRawCalls } from './raw-calls.ts';
import { type Connection, readingCalls } from './reading.ts';
import { createRetry } from './retry.ts';
import { writingCalls } from './writing.ts';

/** Opens Qdrant for reading; nothing is sent before the first call. Throws `settings` on an unusable address or key. */
export async function openQdrantReader(settings: QdrantSettings): Promise<QdrantReader> {
  return readingCalls(await connect(settings));
}

/** Opens Qdrant for reading and writing, under the same conditions. */
export async function openQdrantWriter(settings: QdrantSettings): Promise<QdrantWriter> {
  return writingCalls(await connect(settings), settings.timeoutMs);
}

/** Opens both ways of speaking to it; nothing is sent yet. */
export async function connect(settings: QdrantSettings): Promise<Connection> {
  const base = baseUrl(settings.url);
  const url = `${base.origin}${base.pathname.replace(/\/+$/, '')}`;
  refuseUnsendableKey(settings.apiKey);
  const { retry, onRetry, timeoutMs: patienceMs } = settings;
  const retryUntil = createRetry({ retry, onRetry, patienceMs });
  const json = await loadPointJson();
  const [raw, control] = await Promise.all([
    openRawCalls({ ...settings, url }, base, retryUntil),
    openControlCalls(settings, base, retryUntil),
  ]);
  const stoppedBy = (signal: AbortSignal): Connection => {
    return { url, raw: raw.stoppedBy(signal), control: control(signal), json, signal, scopes: new Map(), stoppedBy };
  };
  return { url, raw, control: control(undefined), json, signal: undefined, scopes: new Map(), stoppedBy };
}

function baseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new MigrateError('settings', 'the address of Qdrant is not an http or https URL', {
      stage: 'qdrant',
      next: 'give one with --qdrant-url, such as http://127.0.0.1:6333',
    });
  }
  return url;
}

/** HTTP libraries put a refused header value into their message: a key with a stray line feed would be printed. */
function refuseUnsendableKey(apiKey: string | undefined): void {
  if (apiKey === undefined || /^[\x21-\x7e]+$/.test(apiKey)) return;
  throw new MigrateError('settings', 'the API key of Qdrant holds a character that no HTTP header can carry', {
    stage: 'qdrant',
    next: 'check QDRANT_API_KEY for spaces and line feeds',
  });
}
