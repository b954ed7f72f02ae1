import type { DraftBee } from './swarm-draft.ts'

/** The type and the spec of the bee for an imported model. `left` is the work that a person still has to do; null if there is none. */
export interface ModelSource {
  readonly type: string
  readonly spec: NonNullable<DraftBee['spec']>
  readonly left: { readonly message: string; readonly next: string } | null
}

/** The bee for a model that Waggle itself runs. */
export function localModel(type: 'tensor-rt' | 'tf-serving', model: string, more: { readonly version?: number } = {}): ModelSource {
  return { type, spec: { model, ...more }, left: null }
}

/** The bee for a model that stays on its own server. The bee calls the model by the Open Inference Protocol. */
export function servedModel(name: string, server: string, left: ModelSource['left']): ModelSource {
  return { type: 'http-call', spec: { url: `${server}/v2/models/${encodeURIComponent(name)}/infer`, idempotent: true }, left }
}
