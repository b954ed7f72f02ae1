import { ownMember } from '../../../topology/own-member.ts'
import type { ModelHardware } from '../model-runtime.ts'
import { createSession, runTensor, tensorOf } from '../onnx-runtime.ts'
import type { LoadedGraph } from './loaded-graph.ts'
import type { OnnxTranslation } from './translation/onnx-translation.ts'

/** Loads a translated graph on onnxruntime. */
export async function loadOnOnnxruntime(path: string, { bytes, inputs, outputs }: OnnxTranslation, hardware: ModelHardware): Promise<LoadedGraph> {
  const { session, device, warning } = await createSession(path, bytes, hardware)
  const datatypeOf = new Map(session.outputMetadata.map((one) => [one.name, one.isTensor ? ownMember(datatypes, one.type) : undefined]))
  return {
    device,
    warning,
    async run(given, wanted) {
      const fed = Object.fromEntries(Object.entries(given).map(([name, tensor]) => [inputs.get(name) ?? name, tensorOf(tensor)]))
      const names = wanted.map((name) => outputs.get(name) ?? name)
      const results = new Map(Object.entries(await session.run(fed, names)))
      return Object.fromEntries(
        wanted.flatMap((name, at) => {
          const tensor = results.get(names[at] ?? '')
          return tensor === undefined ? [] : [[name, runTensor(datatypeOf.get(names[at] ?? '') ?? 'FP32', tensor)]]
        }),
      )
    },
  }
}

const datatypes: { readonly [type: string]: 'INT32' | 'BOOL' } = { int32: 'INT32', bool: 'BOOL' }
