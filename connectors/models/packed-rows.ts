import type { ModelRow, RowTensor } from '../../topology/swarm/ports/models.ts'
import type { PackedRow, PackedTensor } from './model-messages.ts'

/** The size of the shared buffer that `packRows` fills. */
export function bytesOfRows(rows: readonly ModelRow[]): number {
  const sizeOf = ({ data }: RowTensor) => ('byteLength' in data ? align(data.byteLength) : 0)
  return rows.reduce(
    (sum, row) => sum + (row.kind === 'picture' ? align(row.pixels.length) : row.tensors.reduce((own, tensor) => own + sizeOf(tensor), 0)),
    0,
  )
}

/** Copies pictures and numbers into the shared buffer. */
export function packRows(rows: readonly ModelRow[], buffer: SharedArrayBuffer): readonly PackedRow[] {
  const target = new Uint8Array(buffer)
  let end = 0
  const place = (bytes: Uint8Array): number => {
    const position = end
    target.set(bytes, position)
    end += align(bytes.length)
    return position
  }
  const packed = ({ shape, data }: RowTensor): PackedTensor =>
    'byteLength' in data ? { shape, position: place(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) } : { shape, strings: data }
  return rows.map((row) =>
    row.kind === 'picture'
      ? { kind: 'picture', position: place(row.pixels), height: row.height, width: row.width }
      : { kind: 'tensors', tensors: row.tensors.map(packed) },
  )
}

function align(bytes: number): number {
  return Math.ceil(bytes / 16) * 16
}
