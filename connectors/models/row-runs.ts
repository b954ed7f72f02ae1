import type { TensorData } from '../../topology/swarm/payload/payload.ts'
import { bytesOf, tensorData } from '../../topology/swarm/payload/tensor-codec.ts'
import type { ModelDatatype } from '../../topology/swarm/ports/models.ts'
import type { PackedRow, PackedTensor, RunMessage, RunResult } from './model-messages.ts'
import type { ModelRuntime, RunTensor } from './model-runtime.ts'
import type { PictureInput } from './picture-input.ts'
import { PictureResampler } from './picture-resampler.ts'
import type { RowInput, RowLayout } from './row-layout.ts'

/** Runs the rows of a call. Rows of the same shape share a run, if a run of the model takes several rows. */
export class RowRuns {
  readonly #runtime: Pick<ModelRuntime, 'run'>
  readonly #inputs: readonly RowInput[]
  readonly #picture: PictureInput | null
  readonly #resampler: PictureResampler | null
  readonly #scratch = new Map<string, TensorData>()
  #rowsPerRun: number | null

  constructor(runtime: Pick<ModelRuntime, 'run'>, { inputs, rowsPerRun }: RowLayout, picture: PictureInput | null) {
    this.#runtime = runtime
    this.#inputs = inputs
    this.#rowsPerRun = rowsPerRun
    this.#picture = picture
    this.#resampler = picture === null ? null : new PictureResampler(picture)
  }

  async run(message: RunMessage): Promise<readonly RunResult[]> {
    const results: RunResult[] = []
    for (const group of groupsOf(message.rows)) {
      let at = 0
      while (at < group.length) {
        const count = this.#rowsPerRun ?? group.length - at
        const rows = group.slice(at, at + count)
        const outputs = await this.#outputsOf(rows, count, message)
        if (count > 1 && Object.values(outputs).some(({ shape }) => shape[0] !== count)) {
          // An output has fewer rows than the input, although the file does not say so. The same rows run again, one by one.
          this.#rowsPerRun = 1
        } else {
          results.push({ rows, count, outputs })
          at += rows.length
        }
      }
    }
    return results
  }

  #outputsOf(rows: readonly number[], count: number, message: RunMessage): ReturnType<ModelRuntime['run']> {
    // A fixed batch is filled up with copies of the last row.
    const filled = Array.from({ length: count }, (_, at) => message.rows[rows[Math.min(at, rows.length - 1)] ?? 0]).filter((row) => row !== undefined)
    return this.#runtime.run(Object.fromEntries(this.#inputs.map((input, at) => [input.name, this.#tensorOf(input, at, filled, message.buffer)])))
  }

  #tensorOf(input: RowInput, at: number, rows: readonly PackedRow[], buffer: SharedArrayBuffer): RunTensor {
    const { datatype } = input
    const tensors = rows.flatMap((row) => (row.kind === 'tensors' ? [row.tensors[at]] : [])).filter((tensor) => tensor !== undefined)
    const row = tensors[0]?.shape ?? this.#picture?.shape ?? []
    const shape = input.isBatched ? [rows.length, ...row] : row
    if (datatype === 'BYTES') return { datatype, shape, data: tensors.flatMap((tensor) => ('strings' in tensor ? tensor.strings : [])) }
    const size = row.reduce((product, one) => product * one, 1)
    const data = this.#numbers(input.name, datatype, rows.length * size)
    if (tensors.length > 0) copyRows(tensors, buffer, data)
    else this.#drawPictures(rows, size, buffer, data)
    return { datatype, shape, data }
  }

  #drawPictures(rows: readonly PackedRow[], size: number, buffer: SharedArrayBuffer, data: TensorData): void {
    const drawn = data instanceof Float32Array ? data : new Float32Array(rows.length * size)
    rows.forEach((row, at) => {
      if (row.kind !== 'picture' || this.#resampler === null) throw new Error('The model takes no pictures.')
      // Creating the view throws if the row reaches past the buffer. In that case only this call fails.
      this.#resampler.write(new Uint8Array(buffer, row.position, row.height * row.width * 3), row.height, row.width, drawn, at * size)
    })
    if (data instanceof Float64Array) data.set(drawn)
    // The filter can give values below 0 and above 255 near edges. In eight bits, 260 must become 255, not 4.
    else if (data instanceof Uint8Array) new Uint8ClampedArray(data.buffer, data.byteOffset, data.length).set(drawn)
  }

  /** An array for the numbers of an input. The next run uses the same array again. */
  #numbers(name: string, datatype: Exclude<ModelDatatype, 'BYTES'>, length: number): TensorData {
    const known = this.#scratch.get(name)
    if (known !== undefined && known.length >= length) return known.subarray(0, length)
    const stored = datatype === 'FP16' ? 'FP32' : datatype
    const bytes = length * bytesOf(stored)
    const made = tensorData(stored, new ArrayBuffer(bytes), 0, bytes)
    this.#scratch.set(name, made)
    return made
  }
}

/** Copies rows next to each other. Throws if a row reaches past the shared buffer. In that case only this call fails. */
function copyRows(tensors: readonly PackedTensor[], buffer: SharedArrayBuffer, data: TensorData): void {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const length = data.byteLength / tensors.length
  tensors.forEach((tensor, at) => {
    if ('position' in tensor) bytes.set(new Uint8Array(buffer, tensor.position, length), at * length)
  })
}

/** Groups rows of the same shape. Each row is given by its index in the call. */
function groupsOf(rows: readonly PackedRow[]): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>()
  rows.forEach((row, at) => {
    const key = row.kind === 'picture' ? '' : keyOf(row.tensors)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [at])
    else group.push(at)
  })
  return [...groups.values()]
}

function keyOf(tensors: readonly PackedTensor[]): string {
  let key = ''
  for (const { shape } of tensors) {
    for (const size of shape) key += `${size},`
    key += '|'
  }
  return key
}
