import { Type } from 'typebox'
import { WaggleError } from '../../topology/waggle-error.ts'
import { defineBee } from '../define-bee.ts'
import { withModelFiles } from '../model/model-files.ts'
import { type ModelSpec, modelSpec, predictionType } from '../model/model-spec.ts'
import { shadowSpec, versionsAtOnce } from '../model/version-spec.ts'
import { checkModel, modelBee } from '../model-versions/model-bee.ts'
import { checkServer, type ServerSpec, serverBee } from './server-bee.ts'

export default defineBee({
  type: 'tf-serving',
  aliases: ['bytewax/tf_serving'],
  summary:
    'A TensorFlow model: a SavedModel folder, with its variables, or a frozen graph (.pb), run in this process; or one on a TensorFlow Serving.',
  delivery: 'A row is computed again after a crash, and gives the same result. A batch that fails is tried row by row.',
  spec: Type.Object(
    {
      model: Type.Optional(
        Type.String({
          minLength: 1,
          description:
            'A .pb file, a SavedModel folder or a folder of numbered ones: a path, relative to the swarm file, or an address (file:, s3:, https:, npm:), which resolve: may map to one.',
        }),
      ),
      url: Type.Optional(
        Type.String({
          minLength: 1,
          description:
            'In place of model: its address on a running TensorFlow Serving, http://HOST:8501/v1/models/NAME or grpc://HOST:8500/v1/models/NAME (https, grpcs).',
        }),
      ),
      tls: Type.Optional(
        Type.Object(
          {
            ca: Type.Optional(Type.String({ minLength: 1, description: 'The authority that signed the server’s certificate.' })),
            cert: Type.Optional(Type.String({ minLength: 1, description: 'The certificate that the server wants to see.' })),
            key: Type.Optional(Type.String({ minLength: 1, description: 'The key of cert.' })),
          },
          { additionalProperties: false, description: 'With url: PEM files, or their text. Default: the authorities that Node trusts.' },
        ),
      ),
      ...modelSpec,
      signature: Type.Optional(Type.String({ minLength: 1, default: 'serving_default', description: 'The signature of a SavedModel.' })),
      backend: Type.Optional(
        Type.Enum(['auto', 'onnx', 'tfjs'], {
          default: 'auto',
          description: 'auto: onnxruntime where the graph can be translated and gives the same, else tfjs. onnx: translated, or refused.',
        }),
      ),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  examples: [
    { model: 's3://bytewax/teddy-bear-detector.pb', labels: ['bear', 'teddy'] },
    { url: 'grpc://serving:8500/v1/models/teddy', labels: ['bear', 'teddy'] },
  ],
  input: { tensors: {} },
  output: predictionType,
  keepsInput: true,
  modelsAtOnce: (spec) => (spec.model === undefined ? 0 : versionsAtOnce(spec)),
  shadow: shadowSpec,
  async check(context) {
    refuseMisplaced(context.spec)
    const { spec, ...made } = await withModelFiles(context)
    return spec.url === undefined ? checkModel({ ...made, spec: ofFile(spec) }, 'tensorflow') : checkServer({ ...made, spec: ofServer(spec) })
  },
  async create(context) {
    refuseMisplaced(context.spec)
    const { spec, ...made } = await withModelFiles(context)
    return spec.url === undefined ? modelBee({ ...made, spec: ofFile(spec) }, 'tensorflow') : serverBee({ ...made, spec: ofServer(spec) })
  },
})

/** Throws WAGGLE_MODEL_ADDRESS if a spec has both or neither of `model` and `url`, or has a setting of the other variant. */
function refuseMisplaced(spec: { readonly [key: string]: unknown }): void {
  const isSet = (key: string) => Object.hasOwn(spec, key) && spec[key] !== undefined
  if (isSet('model') && isSet('url')) throw misplaced('The spec names both model and url', 'Name the one where the model is.')
  if (!isSet('model') && !isSet('url')) throw misplaced('The spec names neither model nor url', 'Name the one where the model is.')
  const other = (isSet('url') ? ['backend', 'sha256', 'versions', 'traffic', 'follow', 'shadow'] : ['tls']).find(isSet)
  if (other === undefined) return
  throw misplaced(
    `${other} is set ${isSet('url') ? 'beside' : 'without'} url`,
    isSet('url')
      ? `Leave ${other} out: the server decides how it runs the model.`
      : `Leave ${other} out: it is for the address of a TensorFlow Serving.`,
  )
}

function ofFile({ model = '', url: _, tls: __, ...others }: Partial<ModelSpec & ServerSpec>): ModelSpec {
  return { ...others, model }
}

function ofServer({ url = '', model: _, ...others }: Partial<ModelSpec & ServerSpec>): ServerSpec {
  return { ...others, url }
}

function misplaced(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_ADDRESS', { message, next })
}
