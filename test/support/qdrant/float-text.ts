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

/** The text of many 32-bit floats as {@link singleText} prints each, with commas. Written as bytes: vectors are most of a reply. */
export function singlesText(values: Float32Array): string {
  const out = Buffer.allocUnsafe(values.length * LONGEST);
  let at = 0;
  for (let index = 0; index < values.length; index += 1) {
    if (index > 0) out[at++] = COMMA;
    at = writeSingle(out, at, values[index] as number);
  }
  return out.toString('latin1', 0, at);
}

/** A comma and the longest that a 32-bit float can be: `-1.1754944e-38`. */
const LONGEST = 26;
const [COMMA, MINUS, POINT, ZERO] = [44, 45, 46, 48];

/** Just behind what it has written. */
function writeSingle(out: Buffer, start: number, value: number): number {
  const size = Math.abs(value);
  if (!(size >= 1e-3 && size < 1)) return start + out.write(singleText(value), start, 'latin1');
  let digits = 7 + leadingZeros(size);
  let whole = roundHalfEven(size * (POWERS[digits] as number));
  for (const most = digits + 2; Math.fround(whole / (POWERS[digits] as number)) !== size; ) {
    if (digits === most) return start + out.write(singleText(value), start, 'latin1');
    digits += 1;
    whole = roundHalfEven(size * (POWERS[digits] as number));
  }
  for (; whole % 10 === 0; whole /= 10) digits -= 1;
  // It was rounded up to 1.
  if (digits < 1) return start + out.write(singleText(value), start, 'latin1');
  let at = start;
  if (value < 0) out[at++] = MINUS;
  out[at++] = ZERO;
  out[at++] = POINT;
  for (let place = at + digits - 1; place >= at; place -= 1) {
    out[place] = ZERO + (whole % 10);
    whole = (whole / 10) | 0;
  }
  return at + digits;
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
