import { type NodeTranslation, type Operator, plainValue } from './node-translation.ts'

/**
 * Pads [rows, height, width, …], and turns it into [block places × rows, height / block, width / block, …]. TensorFlow writes a dilated convolution
 * with this operator. Any number of dimensions may have a block.
 */
export const spaceToBatch: Operator = (t) => {
  const block = t.numbers(1)
  const paddings = t.numbers(2)
  const side = (offset: number) => [0, ...block.map((_, at) => paddings[at * 2 + offset] ?? 0)]
  const axes = t.ints([0, ...block.map((_, at) => at + 1)])
  const padded = t.emit('Pad', [t.plain(t.input(0)), t.ints([...side(0), ...side(1)]), '', axes])
  const { rows, sizes, rest } = shapeParts(t, padded, block.length)
  const small = block.map((size, at) => t.emit('Div', [sizes[at] ?? '', t.ints([size])]))
  const places = block.map((size) => t.ints([size]))
  const apart = reshaped(t, padded, [rows, ...small.flatMap((size, at) => [size, places[at] ?? '']), rest])
  const count = block.length
  const perm = [...block.map((_, at) => 2 + 2 * at), 0, ...block.map((_, at) => 1 + 2 * at)]
  const turned = transposed(t, apart, perm, 1 + 2 * count)
  return plainValue(t.input(0).dtype, reshaped(t, turned, [t.ints([-1]), ...small, rest]))
}

/** The inverse of `spaceToBatch`, with crops instead of paddings. */
export const batchToSpace: Operator = (t) => {
  const block = t.numbers(1)
  const crops = t.numbers(2)
  const x = t.plain(t.input(0))
  const count = block.length
  const { rows, sizes, rest } = shapeParts(t, x, count)
  const all = block.reduce((product, size) => product * size, 1)
  const apart = reshaped(t, x, [...block.map((size) => t.ints([size])), t.emit('Div', [rows, t.ints([all])]), ...sizes, rest])
  const perm = [count, ...block.flatMap((_, at) => [count + 1 + at, at])]
  const large = sizes.map((size, at) => t.emit('Mul', [size, t.ints([block[at] ?? 1])]))
  const whole = reshaped(t, transposed(t, apart, perm, 1 + 2 * count), [t.ints([-1]), ...large, rest])
  const begins = block.map((_, at) => crops[at * 2] ?? 0)
  const ends = block.map((_, at) => ((crops[at * 2 + 1] ?? 0) === 0 ? Number.MAX_SAFE_INTEGER : -(crops[at * 2 + 1] ?? 0)))
  const axes = t.ints(block.map((_, at) => at + 1))
  return plainValue(t.input(0).dtype, t.emit('Slice', [whole, t.ints(begins), t.ints(ends), axes]))
}

/** The parts of a shape, each as a list: the number of rows, the sizes of the dimensions with a block, and the rest. */
function shapeParts(
  t: NodeTranslation,
  name: string,
  count: number,
): { readonly rows: string; readonly sizes: readonly string[]; readonly rest: string } {
  const shape = t.emit('Shape', [name])
  const part = (from: number, to: number) => t.emit('Slice', [shape, t.ints([from]), t.ints([to])])
  return { rows: part(0, 1), sizes: Array.from({ length: count }, (_, at) => part(at + 1, at + 2)), rest: part(count + 1, Number.MAX_SAFE_INTEGER) }
}

function reshaped(t: NodeTranslation, name: string, parts: readonly string[]): string {
  return t.emit('Reshape', [name, t.emit('Concat', parts, { axis: 0 })])
}

/** Transposes the first dimensions. The last dimension stays where it is: the rest of the shape, joined into one. */
function transposed(t: NodeTranslation, name: string, perm: readonly number[], last: number): string {
  return t.emit('Transpose', [name], { perm: [...perm, last] })
}
