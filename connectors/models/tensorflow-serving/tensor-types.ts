import type { ModelDatatype } from '../../../topology/swarm/ports/models.ts'

/** TensorFlow's name and number (tensorflow/core/framework/types.proto) of each datatype that bees support. */
const types: readonly (readonly [name: string, number: number, datatype: ModelDatatype])[] = [
  ['DT_FLOAT', 1, 'FP32'],
  ['DT_DOUBLE', 2, 'FP64'],
  ['DT_INT32', 3, 'INT32'],
  ['DT_UINT8', 4, 'UINT8'],
  ['DT_INT16', 5, 'INT16'],
  ['DT_INT8', 6, 'INT8'],
  ['DT_STRING', 7, 'BYTES'],
  ['DT_INT64', 9, 'INT64'],
  ['DT_BOOL', 10, 'BOOL'],
  ['DT_UINT16', 17, 'UINT16'],
  ['DT_HALF', 19, 'FP16'],
  ['DT_UINT32', 22, 'UINT32'],
  ['DT_UINT64', 23, 'UINT64'],
]

const byName: ReadonlyMap<string, ModelDatatype> = new Map(types.map(([name, , datatype]) => [name, datatype]))
const names: ReadonlyMap<number, string> = new Map(types.map(([name, number]) => [number, name]))
const numbers: ReadonlyMap<ModelDatatype, number> = new Map(types.map(([, number, datatype]) => [datatype, number]))

/** The datatype for a name such as `DT_FLOAT`; null for a type that bees do not support. */
export function datatypeOf(name: string): ModelDatatype | null {
  return byName.get(name) ?? null
}

/** TensorFlow's name of the type with this number in protocol buffers. */
export function typeName(number: number): string {
  return names.get(number) ?? `datatype ${number}`
}

export function typeNumber(datatype: ModelDatatype): number {
  return numbers.get(datatype) ?? 0
}
