import type { TensorData } from '../../topology/swarm/payload/payload.ts'
import type { ModelDatatype, RowTensor, TensorSignature } from '../../topology/swarm/ports/models.ts'
import { Refused } from '../../topology/waggle-error.ts'

/**
 * A row of one input from JSON: nested lists of the input's shape, or a single value if the shape contains just one value. Throws `Refused` for a
 * value that does not fit, with the name, type and shape of the input, the received value and its place. `orElse` names other inputs that the model
 * accepts.
 */
export function rowTensorOfJson(json: unknown, input: TensorSignature, orElse = ''): RowTensor {
  const refuse = (came: string): never => {
    throw new Refused(`The input ${input.name} takes ${words[input.datatype]} of shape [${input.shape.join(', ')}]${orElse}; ${came}`)
  }
  const isBare = !Array.isArray(json) && input.shape.every((size) => size === 1 || size === -1)
  const shape = isBare ? input.shape.map(() => 1) : shapeOf(json, input.shape.length)
  if (!fits(shape, input.shape)) refuse(`${shownShape(json, shape)} came`)
  const values: unknown[] = []
  gather(json, isBare ? [] : shape, '', values, refuse)
  return {
    shape,
    data: arrayOf(input.datatype, values, (why, at) => refuse(`${why}${indicesOf(at, isBare ? [] : shape)} came${missingAdvice(values[at], input)}`)),
  }
}

/**
 * The shape of nested lists, read from their first items. The search goes one dimension deeper than `rank`, so that a superfluous list is noticed.
 */
function shapeOf(json: unknown, rank: number): readonly number[] {
  const shape: number[] = []
  for (let at = json; Array.isArray(at) && shape.length <= rank; at = at[0]) shape.push(at.length)
  return shape
}

function fits(shape: readonly number[], wanted: readonly number[]): boolean {
  return shape.length === wanted.length && shape.every((size, at) => size > 0 && (wanted[at] === -1 || wanted[at] === size))
}

/** Collects values in row-major order. Refuses a list whose length differs from its neighbours' length, and a value beside a list. */
function gather(json: unknown, shape: readonly number[], place: string, values: unknown[], refuse: (came: string) => never): void {
  const [size, ...rest] = shape
  if (size === undefined) values.push(json)
  else if (!Array.isArray(json)) refuse(`${kindOf(json)} came at ${place}, where a list of ${size} is needed`)
  else if (json.length !== size) refuse(`a ragged list came: ${place} has ${json.length} values, and its neighbours have ${size}`)
  else if (rest.length === 0) for (const value of json) values.push(value)
  else
    json.forEach((item, at) => {
      gather(item, rest, `${place}[${at}]`, values, refuse)
    })
}

function arrayOf(datatype: ModelDatatype, values: readonly unknown[], refuse: (why: string, at: number) => never): TensorData | readonly string[] {
  const numbers = (limit: number): readonly number[] => {
    values.forEach((value, at) => {
      if (!isNumber(value, limit)) refuse(notNumber(value, datatype), at)
    })
    return values as readonly number[]
  }
  const integers = ([least, most]: readonly [number, number]) =>
    values.map((value, at) => (isInteger(value) && value >= least && value <= most ? value : refuse(notInteger(value, datatype), at)))
  const large = ([least, most]: readonly [bigint, bigint]) =>
    values.map((value, at) => {
      const integer = largeInteger(value)
      return integer !== null && integer >= least && integer <= most ? integer : refuse(notInteger(value, datatype), at)
    })
  switch (datatype) {
    case 'BYTES':
      return values.map((value, at) => (isText(value) ? value : refuse(notText(value), at)))
    case 'BOOL':
      return Uint8Array.from(values, (value, at) => (typeof value === 'boolean' ? Number(value) : refuse(kindOf(value), at)))
    case 'FP16':
      return new Float32Array(numbers(65_519.99))
    case 'FP32':
      return new Float32Array(numbers(3.402_823_567_797_336e38))
    case 'FP64':
      return new Float64Array(numbers(Number.MAX_VALUE))
    case 'INT8':
      return Int8Array.from(integers([-128, 127]))
    case 'INT16':
      return Int16Array.from(integers([-32_768, 32_767]))
    case 'INT32':
      return Int32Array.from(integers([-(2 ** 31), 2 ** 31 - 1]))
    case 'INT64':
      return BigInt64Array.from(large([-(2n ** 63n), 2n ** 63n - 1n]))
    case 'UINT8':
      return Uint8Array.from(integers([0, 255]))
    case 'UINT16':
      return Uint16Array.from(integers([0, 65_535]))
    case 'UINT32':
      return Uint32Array.from(integers([0, 2 ** 32 - 1]))
    case 'UINT64':
      return BigUint64Array.from(large([0n, 2n ** 64n - 1n]))
  }
}

/** True for a number up to the limit. A larger number would become infinite. */
function isNumber(value: unknown, limit: number): value is number {
  return typeof value === 'number' && Math.abs(value) <= limit
}

/** True for a string that the library can store. The library cuts strings at U+0000, and replaces a lone surrogate. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0') && value.isWellFormed()
}

function notText(value: unknown): string {
  return typeof value === 'string' ? `${kindOf(value)}, which has U+0000 or half a surrogate pair,` : kindOf(value)
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

/**
 * A 64-bit integer; null for any other value. Outside ±(2^53 - 1) the integer must be a string of digits, because JSON readers lose digits of larger
 * numbers.
 */
function largeInteger(value: unknown): bigint | null {
  if (isInteger(value)) return BigInt(value)
  if (typeof value !== 'string' || !/^-?[1-9]\d{15,19}$/.test(value)) return null
  const integer = BigInt(value)
  return Number.isSafeInteger(Number(integer)) ? null : integer
}

function notNumber(value: unknown, datatype: ModelDatatype): string {
  return typeof value === 'number' ? `${value}, which ${datatype} cannot hold,` : kindOf(value)
}

function notInteger(value: unknown, datatype: ModelDatatype): string {
  if (typeof value !== 'number') return kindOf(value)
  if (!Number.isInteger(value)) return `${value}, which is not an integer,`
  const isInexact = datatype.endsWith('64') && !Number.isSafeInteger(value)
  return isInexact ? `${value}, which JSON holds exactly only as a string,` : `${value}, which ${datatype} cannot hold,`
}

function shownShape(json: unknown, shape: readonly number[]): string {
  return Array.isArray(json) ? (shape.includes(0) ? 'an empty list' : `a list of shape [${shape.join(', ')}]`) : kindOf(json)
}

/** The kind of a value for messages, with the start of a string. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'string') return `the string ${JSON.stringify(value.slice(0, 40))}`
  if (typeof value === 'number' || typeof value === 'boolean') return `the ${typeof value} ${value}`
  return Array.isArray(value) ? `a list of ${value.length}` : 'an object'
}

/**
 * Advice for a null in the input. JSON has no number for a missing value, and a model that was not trained with missing values would give a wrong
 * answer without an error.
 */
function missingAdvice(value: unknown, { datatype }: TensorSignature): string {
  if (value !== null) return ''
  const orTensors = datatype.startsWith('FP')
    ? ', or send it as NaN in tensors (application/vnd.waggle.tensors) if the model takes missing values'
    : ''
  return `: fill in the missing value${orTensors}`
}

/** The place of a value as ` at [1][0]`; empty for a single value. */
function indicesOf(at: number, shape: readonly number[]): string {
  let rest = at
  const place = shape.map((_, axis) => {
    const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1)
    const index = Math.floor(rest / inner)
    rest %= inner
    return `[${index}]`
  })
  return place.length === 0 ? '' : ` at ${place.join('')}`
}

const words: { readonly [datatype in ModelDatatype]: string } = {
  BOOL: 'true or false (BOOL)',
  UINT8: 'integers (UINT8)',
  UINT16: 'integers (UINT16)',
  UINT32: 'integers (UINT32)',
  UINT64: 'integers (UINT64)',
  INT8: 'integers (INT8)',
  INT16: 'integers (INT16)',
  INT32: 'integers (INT32)',
  INT64: 'integers (INT64)',
  FP16: 'numbers (FP16)',
  FP32: 'numbers (FP32)',
  FP64: 'numbers (FP64)',
  BYTES: 'strings (BYTES)',
}
