import type { RateControl } from '../control/run-control.ts';
import { NOT_A_RATE, parseRates, ratesText } from '../model/rates.ts';
import type { RateLimit } from '../orchestrator/rate-limit.ts';
import { stageOrder } from '../stages/index.ts';

/** The rates of a run for whoever controls it: written as `--rate` is, and in its place. */
export function rateControl(limit: RateLimit): RateControl {
  return {
    text: () =>
      ratesText(
        Object.fromEntries(
          stageOrder.flatMap((stage) => {
            const rate = limit.of(stage);
            return rate === undefined ? [] : [[stage, rate]];
          }),
        ),
      ),
    set(text) {
      const rates = parseRates(text);
      if (rates === undefined) return `that ${NOT_A_RATE}`;
      for (const stage of stageOrder) limit.set(stage, rates[stage]);
      return undefined;
    },
  };
}
