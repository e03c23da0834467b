import { request } from 'undici';
import { decodedBody } from '../model/decoded-body.ts';
import { errorText } from '../model/errors.ts';
import { BoundedText } from './bounded-text.ts';
import type { HookEnd } from './run-command-hook.ts';

/** Sends the document as a POST. Any status but 2xx refuses; nothing is followed. Never rejects. */
export async function runUrlHook(
  url: URL,
  {
    input,
    token,
    timeoutMs,
    signal,
  }: {
    readonly input: string;
    /** Sent as a bearer token. */
    readonly token: string | undefined;
    readonly timeoutMs: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<HookEnd> {
  const output = new BoundedText();
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const { statusCode, headers, body } = await request(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'tenant-migrate',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: input,
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    });
    for await (const chunk of decodedBody(body, headers['content-encoding']))
      output.add(Buffer.from(chunk as Uint8Array).toString('utf8'));
    const isWell = statusCode >= 200 && statusCode < 300;
    return { problem: isWell ? undefined : `status ${statusCode}`, output: output.text };
  } catch (error) {
    const problem = signal?.aborted
      ? 'the run was stopped'
      : timeout.aborted
        ? `it took longer than ${timeoutMs / 1_000} s`
        : `it cannot be reached: ${errorText(error)}`;
    return { problem, output: output.text };
  }
}
