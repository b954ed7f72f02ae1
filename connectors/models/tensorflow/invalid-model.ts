import { WaggleError } from '../../../topology/waggle-error.ts'

/** The error for a file that cannot be read as a model. `next` replaces the default advice. */
export function invalidModel(path: string, why: string, { next, cause }: { readonly next?: string; readonly cause?: unknown } = {}): WaggleError {
  return new WaggleError('WAGGLE_MODEL_INVALID', {
    message: `${path} is not a TensorFlow model that can be run: ${why}`,
    next: next ?? 'See that its files are whole, and export the model again.',
    cause,
  })
}

/** The error for a model that can be read, but contains an unsupported part. */
export function unsupportedModel(path: string, why: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_SHAPE', { message: `${path} ${why}`, next })
}
