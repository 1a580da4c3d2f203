/** Reed–Solomon codes over the field of 256 elements that QR codes use. Pure. */

/** Powers of 2 in the field, modulo the polynomial x⁸+x⁴+x³+x²+1, and their logarithms. */
const POWERS: number[] = [];
const LOGARITHMS: number[] = [];
for (let i = 0, power = 1; i < 255; i += 1) {
  POWERS[i] = power;
  LOGARITHMS[power] = i;
  power = power < 128 ? 2 * power : (2 * power) ^ 0x11d;
}

function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : (POWERS[((LOGARITHMS[a] ?? 0) + (LOGARITHMS[b] ?? 0)) % 255] ?? 0);
}

/** The coefficients after the first, which is 1, of the product of all x − 2ⁱ. */
function generator(degree: number): number[] {
  let coefficients = [1];
  for (let i = 0; i < degree; i += 1) {
    const root = POWERS[i] ?? 0;
    const shifted = [...coefficients, 0];
    coefficients = shifted.map((each, at) => each ^ multiply(coefficients[at - 1] ?? 0, root));
  }
  return coefficients.slice(1);
}

/** The `count` codewords that correct `data`: the remainder by the generator. */
export function correction(data: readonly number[], count: number): number[] {
  const divisor = generator(count);
  let rest = Array<number>(count).fill(0);
  for (const word of data) {
    const factor = word ^ (rest[0] ?? 0);
    rest = divisor.map((each, at) => (rest[at + 1] ?? 0) ^ multiply(each, factor));
  }
  return rest;
}
