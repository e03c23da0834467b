const POWERS = Array.from({ length: 20 }, (_, exponent) => 10 ** exponent);

/** A double as Qdrant prints it: the shortest digits that read back equal, always marked as a float. */
export function doubleText(value: number): string {
  const size = Math.abs(value);
  if (Object.is(value, -0)) return '-0.0';
  if (size !== 0 && (size < 1e-5 || size >= 1e16)) return value.toExponential();
  const text = String(value);
  return Number.isInteger(value) ? `${text}.0` : text;
}

/** A 32-bit float likewise: the shortest digits that read back as the same 32-bit float. */
export function singleText(value: number): string {
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e7) return doubleText(size === 0 ? value : shortest(value));
  const scale = size >= 1 ? 7 - Math.ceil(Math.log10(size)) : 7 + leadingZeros(size);
  // Products of a 24-bit value and these powers are exact or close to it, and the division is the nearest double.
  for (let digits = scale; digits <= scale + 2; digits += 1) {
    const power = POWERS[digits] as number;
    const candidate = roundHalfEven(value * power) / power;
    if (Math.fround(candidate) === value) return Number.isInteger(candidate) ? `${candidate}.0` : String(candidate);
  }
  return doubleText(shortest(value));
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(rounded - value) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

function leadingZeros(size: number): number {
  if (size >= 0.1) return 0;
  if (size >= 0.01) return 1;
  return 2;
}

function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits += 1) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return Number(value.toPrecision(9));
}
