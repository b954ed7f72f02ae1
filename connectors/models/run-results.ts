import type { ModelOutput, ModelResult } from '../../topology/swarm/ports/models.ts'
import type { RunResult } from './model-messages.ts'
import type { RunTensor } from './model-runtime.ts'

/** The result of each row of a call, in the order of the rows. */
export function resultsOf(runs: readonly RunResult[]): readonly ModelResult[] {
  const results: ModelResult[] = []
  for (const { rows, count, outputs } of runs) {
    rows.forEach((row, at) => {
      results[row] = { outputs: Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, rowOf(tensor, at, count)])) }
    })
  }
  return results
}

function rowOf({ datatype, shape, data }: RunTensor, at: number, count: number): ModelOutput {
  const [first, ...rest] = shape
  // A run of one row may have outputs without a batch dimension, such as a single number.
  if (count === 1 && first !== 1) return { shape, values: jsonValues(datatype, data, 0, data.length) }
  const width = data.length / count
  return { shape: rest, values: jsonValues(datatype, data, at * width, (at + 1) * width) }
}

function jsonValues(datatype: RunTensor['datatype'], data: RunTensor['data'], from: number, to: number): ModelOutput['values'] {
  if (!ArrayBuffer.isView(data)) return data.slice(from, to)
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Array.from(data.subarray(from, to), jsonInteger)
  const values = Array.from(data.subarray(from, to))
  return datatype === 'BOOL' ? values.map((value) => value !== 0) : values
}

/**
 * A number, if a double represents the integer exactly; else its digits as text. In requests, callers may also write a large integer as text
 * (`edgeJson`).
 */
function jsonInteger(value: bigint): number | string {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}
