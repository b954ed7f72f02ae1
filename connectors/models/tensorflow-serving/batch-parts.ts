import type { TensorData } from '../../../topology/swarm/payload/payload.ts'
import type { RunTensor } from '../model-runtime.ts'
import type { NamedTensors } from './serving-client.ts'

/** The number of rows of a batch whose tensors fit into `maxBytes`; at least 1. */
export function rowsWithin(maxBytes: number, inputs: NamedTensors, rows: number): number {
  const bytes = Object.values(inputs).reduce((sum, { data }) => sum + (ArrayBuffer.isView(data) ? data.byteLength : 0), 0)
  return Math.max(1, bytes <= maxBytes ? rows : Math.floor((rows * maxBytes) / bytes))
}

/** Cuts the rows from `from` (inclusive) to `to` (exclusive) out of tensors. All tensors begin with the batch dimension of size `rows`. */
export function partOf(inputs: NamedTensors, rows: number, from: number, to: number): NamedTensors {
  if (from === 0 && to === rows) return inputs
  const cut = ({ datatype, shape, data }: RunTensor): RunTensor => {
    const width = data.length / rows
    const part = ArrayBuffer.isView(data) ? data.subarray(from * width, to * width) : data.slice(from * width, to * width)
    return { datatype, shape: [to - from, ...shape.slice(1)], data: part }
  }
  return Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, cut(tensor)]))
}

/** Joins the outputs for the parts of a batch, in order. */
export function joined(parts: readonly NamedTensors[]): NamedTensors {
  const [first, ...others] = parts
  if (first === undefined || others.length === 0) return first ?? {}
  return Object.fromEntries(
    Object.entries(first).map(([name, tensor]) => {
      const tensors = parts.flatMap((part) => part[name] ?? [])
      const rows = tensors.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0)
      return [name, { datatype: tensor.datatype, shape: [rows, ...tensor.shape.slice(1)], data: concatenated(tensors.map(({ data }) => data)) }]
    }),
  )
}

function concatenated(parts: readonly RunTensor['data'][]): RunTensor['data'] {
  const [first] = parts
  if (first === undefined || !ArrayBuffer.isView(first)) return parts.flatMap((part) => (ArrayBuffer.isView(part) ? [] : part))
  const bytes = Buffer.concat(
    parts.flatMap((part) => (ArrayBuffer.isView(part) ? [new Uint8Array(part.buffer, part.byteOffset, part.byteLength)] : [])),
  )
  const Values = first.constructor as new (buffer: ArrayBuffer) => TensorData
  return new Values(Uint8Array.from(bytes).buffer)
}
