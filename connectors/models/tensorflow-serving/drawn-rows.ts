import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ModelDatatype, ModelRow, RowTensor } from '../../../topology/swarm/ports/models.ts'
import type { PictureInput } from '../picture-input.ts'
import { PictureResampler } from '../picture-resampler.ts'

/** Makes tensors of pictures, in the size and the type that a model takes. */
export class DrawnRows {
  readonly #picture: PictureInput
  readonly #datatype: ModelDatatype
  readonly #resampler: PictureResampler

  constructor(picture: PictureInput, datatype: ModelDatatype) {
    this.#picture = picture
    this.#datatype = datatype
    this.#resampler = new PictureResampler(picture)
  }

  /** Makes only one picture in each turn of the event loop, because a picture takes milliseconds and this process has other work. */
  async of(rows: readonly ModelRow[]): Promise<readonly ModelRow[]> {
    const drawn: ModelRow[] = []
    for (const row of rows) {
      if (row.kind === 'tensors') drawn.push(row)
      else {
        drawn.push({ kind: 'tensors', tensors: [this.#draw(row)] })
        await nextTurn()
      }
    }
    return drawn
  }

  #draw({ height, width, pixels }: Extract<ModelRow, { kind: 'picture' }>): RowTensor {
    const { shape } = this.#picture
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1))
    this.#resampler.write(pixels, height, width, values, 0)
    // The filter can give values below 0 and above 255 near edges. In eight bits, 260 must become 255, not 4.
    const data =
      this.#datatype === 'UINT8'
        ? new Uint8Array(Uint8ClampedArray.from(values).buffer)
        : this.#datatype === 'FP64'
          ? Float64Array.from(values)
          : values
    return { shape, data }
  }
}
