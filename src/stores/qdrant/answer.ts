/** What came back on one request, whatever the status. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The text claims to be JSON; a proxy's error page does not. */
  readonly json: boolean;
  /** How long the server asks to wait, in ms. */
  readonly retryAfterMs: number | undefined;
}

/** The server's own words about a failure, cut short; empty where it gave none. Refused keys are told in plain text. */
export function serverText(answer: Answer): string {
  if (!answer.json) return answer.text.includes('<') ? '' : shortened(answer.text.trim());
  try {
    const { status } = JSON.parse(answer.text) as { readonly status?: { readonly error?: unknown } | string };
    const error = typeof status === 'object' ? status.error : status;
    return typeof error === 'string' ? shortened(error) : '';
  } catch (error) {
    if (error instanceof SyntaxError) return '';
    throw error;
  }
}

/** The server cannot write another update into its log. */
export function isDiskFull(answer: Answer): boolean {
  return answer.status === 500 && /no space left on device/i.test(answer.text);
}

/** The request costs more than a whole minute's rate limit: no wait lets it in, a smaller one may be. */
export function isOverBudget(answer: Answer): boolean {
  return answer.status === 429 && /larger than rate limiter capacity/i.test(answer.text);
}

/** `Retry-After` in whole seconds as ms; the date form is not used by Qdrant and ignored. */
export function retryAfterMs(header: unknown): number | undefined {
  return typeof header === 'string' && /^\d+$/.test(header) ? Number(header) * 1_000 : undefined;
}

function shortened(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 300)}…`;
}
