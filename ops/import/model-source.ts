import type { DraftBee } from './swarm-draft.ts'

/** The bee for a model of a file, and what is left to do about it; null if nothing is. */
export interface ModelSource {
  readonly type: string
  readonly spec: NonNullable<DraftBee['spec']>
  readonly left: { readonly message: string; readonly next: string } | null
}

/** A model that runs in Waggle itself. */
export function localModel(type: 'tensor-rt' | 'tf-serving', model: string, more: { readonly version?: number } = {}): ModelSource {
  return { type, spec: { model, ...more }, left: null }
}

/** A model that goes on running on its own server, and is called there by the Open Inference Protocol. */
export function servedModel(name: string, server: string, left: ModelSource['left']): ModelSource {
  return { type: 'http-call', spec: { url: `${server}/v2/models/${encodeURIComponent(name)}/infer`, idempotent: true }, left }
}
