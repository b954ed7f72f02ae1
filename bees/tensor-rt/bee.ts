import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'
import { withModelFiles } from '../model/model-files.ts'
import { modelSpec, predictionType } from '../model/model-spec.ts'
import { shadowSpec, versionsAtOnce } from '../model/version-spec.ts'
import { checkModel, modelBee } from '../model-versions/model-bee.ts'

export default defineBee({
  type: 'tensor-rt',
  summary: 'An ONNX model, on TensorRT or CUDA where `gpu` asks for it and there is one, else on the CPU.',
  delivery: 'A row is computed again after a crash, and gives the same result. A batch that fails is tried row by row.',
  spec: Type.Object(
    {
      model: Type.String({
        minLength: 1,
        description:
          'An .onnx file, or a folder of numbered ones: a path, relative to the swarm file, or an address (file:, s3:, https:, npm:), which resolve: may map to one.',
      }),
      ...modelSpec,
    },
    { additionalProperties: false, required: ['model'] },
  ),
  examples: [{ model: 's3://bytewax/teddy-bear-detector.onnx', labels: ['bear', 'teddy'] }],
  input: { tensors: {} },
  output: predictionType,
  keepsInput: true,
  modelsAtOnce: versionsAtOnce,
  shadow: shadowSpec,
  check: async (context) => checkModel(await withModelFiles(context), 'onnx'),
  create: async (context) => modelBee(await withModelFiles(context), 'onnx'),
})
