import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'
import { withModelFiles } from '../model-files.ts'
import { checkModel, modelBee, modelSpec, predictionType } from '../model-prediction.ts'
import { shadowSpec } from '../served-model/version-spec.ts'

export default defineBee({
  type: 'tf-serving',
  aliases: ['bytewax/tf_serving'],
  summary: 'A TensorFlow model: a SavedModel folder, with its variables, or a frozen graph (.pb), run in this process.',
  delivery: 'A row is computed again after a crash, and gives the same result. A batch that fails is tried row by row.',
  spec: Type.Object(
    {
      model: Type.String({
        minLength: 1,
        description:
          'A .pb file, a SavedModel folder or a folder of numbered ones: a path, relative to the swarm file, or an address (file:, s3:, https:, npm:), which resolve: may map to one.',
      }),
      ...modelSpec,
      signature: Type.Optional(Type.String({ minLength: 1, description: 'The signature of a SavedModel. Default: serving_default.' })),
      backend: Type.Optional(
        Type.Enum(['auto', 'onnx', 'tfjs'], {
          description:
            'auto (the default): onnxruntime where the graph can be translated and gives the same, else tfjs. onnx: translated, or refused.',
        }),
      ),
    },
    { additionalProperties: false, required: ['model'] },
  ),
  examples: [{ model: 's3://bytewax/teddy-bear-detector.pb', labels: ['bear', 'teddy'] }],
  input: { tensors: {} },
  output: predictionType,
  keepsInput: true,
  shadow: shadowSpec,
  check: async (context) => checkModel(await withModelFiles(context), 'tensorflow'),
  create: async (context) => modelBee(await withModelFiles(context), 'tensorflow'),
})
