import { address, filled, HTTP, host, seconds, whole } from './checks.ts';

/** What the settings of this group must be. */
export const metricsShape = {
  'metrics-file': filled.optional(),
  'metrics-port': whole(1, 65_535).optional(),
  'metrics-host': host,
  pushgateway: address(HTTP).optional(),
  'metrics-interval': seconds,
};
