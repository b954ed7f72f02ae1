import type { TensorSignature } from '../../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { outputsToGive } from '../model-runtime.ts'
import type { ServingAddress } from './serving-address.ts'
import type { ServedMetadata, ServedTensor } from './serving-client.ts'
import { quoted } from './serving-failure.ts'
import { datatypeOf } from './tensor-types.ts'

/** The signature that a bee calls, and the version of the model that answers it. */
export interface CalledSignature {
  readonly inputs: readonly TensorSignature[]
  readonly outputs: readonly TensorSignature[]
  readonly version: string | null
}

/**
 * Finds a signature in a model’s metadata. `output` names the output that the bee needs, even if it is large. Throws WAGGLE_MODEL_INVALID and
 * WAGGLE_MODEL_SHAPE.
 */
export function calledSignature(
  { shown, version: wanted }: ServingAddress,
  { signatures, version }: ServedMetadata,
  name: string,
  output: string | undefined,
): CalledSignature {
  if (wanted !== null && version !== null && version !== String(wanted)) {
    throw invalid(`${shown} answers for version ${quoted(version)}, not for ${wanted}`, 'See which versions the server has, and correct version.')
  }
  const signature = signatures.get(name)
  if (signature === undefined) {
    const known = [...signatures.keys()].filter((one) => one !== initialise)
    throw new WaggleError('WAGGLE_MODEL_SHAPE', {
      message: `${shown} has no signature ${name}`,
      next: known.length === 0 ? 'Export the model with a signature.' : `Set signature to one of: ${known.slice(0, 20).map(quoted).join(', ')}.`,
    })
  }
  const inputs = signature.inputs.map((input) => inputOf(shown, name, input))
  const outputs = outputsToGive(
    signature.outputs.flatMap((one) => tensorOf(one) ?? []),
    output,
  )
  if (inputs.length === 0) throw invalid(`The signature ${name} of ${shown} takes no inputs`, 'Choose another signature.')
  if (outputs.length === 0)
    throw invalid(
      `The signature ${name} of ${shown} gives nothing that a prediction can hold`,
      'Choose another signature, or export smaller outputs.',
    )
  return { inputs, outputs, version }
}

/** The signature that initialises a model when it is loaded. */
const initialise = '__saved_model_init_op'

function inputOf(shown: string, signature: string, input: ServedTensor): TensorSignature {
  const { name, type, shape } = input
  if (type === 'DT_STRING') {
    throw invalid(
      `The signature ${signature} of ${shown} takes strings (its input ${name}), which tf-serving does not send`,
      'Choose a signature that takes numbers, such as the ids of words, and make them of the strings in a bee before it.',
    )
  }
  if (shape === null) throw invalid(`The input ${name} of ${shown} has an unknown rank`, 'Export the model with the shapes of its inputs.')
  const values = shape.reduce((product, size, at) => (at === 0 && shape.length > 1 ? product : product * Math.max(1, size)), 1)
  if (values > maxRowValues)
    throw invalid(`A row of the input ${name} of ${shown} has ${values} values`, `Send a model of at most ${maxRowValues} values.`)
  const tensor = tensorOf(input)
  if (tensor === null)
    throw invalid(`The input ${name} of ${shown} is of type ${type}, which tf-serving does not send`, 'Export the model with another type.')
  return tensor
}

const maxRowValues = 16_777_216

/** The tensor as a bee sees it; null for a tensor whose type or rank no bee supports. */
function tensorOf({ name, type, shape }: ServedTensor): TensorSignature | null {
  const datatype = datatypeOf(type)
  return datatype === null || shape === null ? null : { name, datatype, shape, dimensions: shape.map(() => '') }
}

function invalid(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_INVALID', { message, next })
}
