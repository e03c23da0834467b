/** Records a second that each stage may write; a stage that is not named has no limit. */
export type Rates = Readonly<Partial<Record<RatedStage, number>>>;

export type RatedStage = keyof typeof UNITS;

/** What a stage's records are called in a rate: `20000keys/s` is a rate of the redis stage. */
const UNITS = { config: 'configs', redis: 'keys', qdrant: 'points', graph: 'nodes' } as const;

const STAGES = Object.keys(UNITS) as readonly RatedStage[];

/** What a rate of one record in so many seconds comes to is rather a pause. */
export const LEAST_RATE = 0.1;
export const GREATEST_RATE = 10_000_000;

/** What is said of a text that is none, behind what it stands for. */
export const NOT_A_RATE = `is not a rate such as 5000, redis=20000,qdrant=500, 500points/s or none, each between ${LEAST_RATE} and ${GREATEST_RATE} a second`;

/**
 * Reads `5000` (every stage), `redis=20000,qdrant=500` (these stages), the same with units (`20000keys/s,500points/s`,
 * `5000/s`), or `none`. Whatever names a stage wins over what is for all. Undefined where it is none of these, where a
 * stage is named twice, or where a rate is not between {@link LEAST_RATE} and {@link GREATEST_RATE}.
 */
export function parseRates(text: string): Rates | undefined {
  if (text.trim() === 'none') return {};
  const named = new Map<RatedStage | 'all', number>();
  for (const item of text.split(',')) {
    const rate = parseItem(item.trim());
    if (rate === undefined || named.has(rate.of)) return undefined;
    named.set(rate.of, rate.perSecond);
  }
  const all = named.get('all');
  const rates: Partial<Record<RatedStage, number>> = {};
  for (const stage of STAGES) {
    const own = named.get(stage) ?? all;
    if (own !== undefined) rates[stage] = own;
  }
  return rates;
}

/** The rates as {@link parseRates} reads them: what is the same for all stages once. */
export function ratesText(rates: Rates): string {
  const [first] = STAGES.map((stage) => rates[stage]);
  if (STAGES.every((stage) => rates[stage] === undefined)) return 'none';
  if (STAGES.every((stage) => rates[stage] === first)) return `${first}`;
  return STAGES.flatMap((stage) => (rates[stage] === undefined ? [] : [`${stage}=${rates[stage]}`])).join(',');
}

const ITEM = /^(?:(?<stage>[a-z]+)=)?(?<amount>\d{1,9}(?:\.\d{1,3})?)(?:(?<unit>[a-z]*)\/s)?$/;

function parseItem(text: string): { readonly of: RatedStage | 'all'; readonly perSecond: number } | undefined {
  const { stage, amount, unit } = ITEM.exec(text)?.groups ?? {};
  const perSecond = Number(amount);
  if (amount === undefined || perSecond < LEAST_RATE || perSecond > GREATEST_RATE) return undefined;
  const byUnit = unit === undefined || unit === '' ? undefined : STAGES.find((one) => UNITS[one] === unit);
  if (unit !== undefined && unit !== '' && byUnit === undefined) return undefined;
  if (stage === undefined) return { of: byUnit ?? 'all', perSecond };
  const byName = STAGES.find((one) => one === stage);
  if (byName === undefined || (byUnit !== undefined && byUnit !== byName)) return undefined;
  return { of: byName, perSecond };
}
