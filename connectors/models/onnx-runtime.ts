import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { env, InferenceSession, Tensor } from 'onnxruntime-node'
import { ownMember } from '../../topology/own-member.ts'
import type { Datatype } from '../../topology/swarm/payload.ts'
import type { TensorSignature } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type ModelRuntime, maxOutputValues } from './model-runtime.ts'

export async function openOnnx(path: string, gpu: number): Promise<{ runtime: ModelRuntime; warning: string | null }> {
  const { session, device, warning } = await createSession(path, gpu)
  const inputs = session.inputMetadata.map(signatureOf)
  const outputs = session.outputMetadata.map(signatureOf).filter(({ shape }) => valuesOf(shape) <= maxOutputValues)
  const name = inputs[0]?.name
  if (name === undefined || outputs.length === 0) {
    throw new WaggleError('WAGGLE_MODEL_SHAPE', {
      message: `${path} has no input, or no output of at most ${maxOutputValues} values a row`,
      next: 'Use a model that gives a small output.',
    })
  }
  const fetches = outputs.map((output) => output.name)
  const runtime: ModelRuntime = {
    signature: { inputs, outputs },
    device,
    async run(input, shape) {
      const results = await session.run({ [name]: new Tensor('float32', input, shape) }, fetches)
      return Object.fromEntries(fetches.map((output) => [output, Float32Array.from(results[output]?.data as Float32Array)]))
    },
  }
  return { runtime, warning }
}

/** Tries TensorRT, then CUDA, then the CPU. A provider that is missing throws. */
async function createSession(path: string, gpu: number): Promise<{ session: InferenceSession; device: string; warning: string | null }> {
  // At `warning` onnxruntime says on machines without a GPU that it found none.
  env.logLevel = gpu > 0 ? 'warning' : 'error'
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1, graphOptimizationLevel: 'all' as const, logSeverityLevel: 3 as const }
  let warning = gpu > 0 ? 'the providers of onnxruntime-gpu are not beside onnxruntime-node’s addon' : null
  for (const provider of gpu > 0 && hasProviders() ? ['tensorrt', 'cuda'] : []) {
    try {
      const session = await InferenceSession.create(path, { ...options, executionProviders: [provider, 'cpu'] })
      return { session, device: `onnxruntime ${provider}`, warning: null }
    } catch (thrown) {
      warning = thrown instanceof Error ? (thrown.message.split('\n', 1)[0] ?? '') : String(thrown)
    }
  }
  return { session: await InferenceSession.create(path, { ...options, executionProviders: ['cpu'] }), device: 'onnxruntime cpu', warning }
}

/** True where the providers' library exists. Asking onnxruntime for a missing provider would print to the terminal from native code. */
function hasProviders(): boolean {
  const { platform, arch } = process
  const main = createRequire(import.meta.url).resolve('onnxruntime-node')
  const library = platform === 'win32' ? 'onnxruntime_providers_shared.dll' : 'libonnxruntime_providers_shared.so'
  return existsSync(join(dirname(main), '..', 'bin', 'napi-v6', platform, arch, library))
}

function signatureOf(value: InferenceSession.ValueMetadata): TensorSignature {
  if (!value.isTensor) return { name: value.name, datatype: 'FP32', shape: [] }
  return {
    name: value.name,
    datatype: ownMember(datatypes, value.type) ?? 'FP32',
    shape: value.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1)),
  }
}

const datatypes: { readonly [type: string]: Datatype } = {
  float32: 'FP32',
  float64: 'FP64',
  uint8: 'UINT8',
  int8: 'INT8',
  int32: 'INT32',
  int64: 'INT64',
  bool: 'BOOL',
}

function valuesOf(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, size) => product * Math.max(1, size), 1)
}
