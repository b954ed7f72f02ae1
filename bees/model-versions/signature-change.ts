import type { ModelSignature, TensorSignature } from '../../topology/swarm/ports/models.ts'
import type { ModelReading } from '../model/model-reading.ts'

/** A model, and the roles of its outputs. */
export interface Read {
  readonly model: { readonly signature: ModelSignature }
  readonly reading: ModelReading
}

/**
 * The reason why `next` cannot replace `before`, as a sentence without a subject. Null if `next` accepts every input of `before`, and gives outputs
 * with the same names, types, shapes and labels.
 */
export function signatureChange(before: Read, next: Read): string | null {
  const [old, now] = [before.model.signature, next.model.signature]
  return (
    rowsChange('input', old.rows, now.rows, (was, is) => is === -1 || was === is) ??
    rowsChange('output', old.outputRows, now.outputRows, (was, is) => was === -1 || was === is) ??
    (old.takesPictures && !now.takesPictures ? 'takes no pictures' : null) ??
    labelsChange(before.reading, next.reading)
  )
}

function rowsChange(
  kind: 'input' | 'output',
  old: readonly TensorSignature[],
  now: readonly TensorSignature[],
  fits: (was: number, is: number) => boolean,
): string | null {
  for (const row of old) {
    const own = now.find(({ name }) => name === row.name)
    if (own === undefined) return `has no ${kind} ${shown(row)}`
    const isSame =
      own.datatype === row.datatype && own.shape.length === row.shape.length && own.shape.every((size, at) => fits(row.shape[at] ?? 0, size))
    if (!isSame) return `has the ${kind} ${shown(own)}, where ${shown(row)} is needed`
  }
  const more = now.find(({ name }) => !old.some((row) => row.name === name))
  return more === undefined ? null : `has the ${kind} ${shown(more)} too`
}

function labelsChange({ labels: old }: ModelReading, { labels: now }: ModelReading): string | null {
  const gone = old.find((label) => !now.includes(label))
  if (gone !== undefined) return `gives no score of ${JSON.stringify(gone)}`
  const more = now.find((label) => !old.includes(label))
  return more === undefined ? null : `gives a score of ${JSON.stringify(more)} too`
}

function shown({ name, datatype, shape }: TensorSignature): string {
  return `${name} (${datatype} [${shape.join(', ')}])`
}
