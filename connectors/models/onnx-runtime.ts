import { readFile, stat } from 'node:fs/promises'
import { env, InferenceSession, Tensor } from 'onnxruntime-node'
import { ownMember } from '../../topology/own-member.ts'
import type { ModelDatatype, TensorSignature } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { refuseForeignFile, unreadableOnnx } from './foreign-file.ts'
import { hasProviders, providerFolder } from './gpu-providers.ts'
import { type ModelHardware, type ModelRuntime, maxNeededOutputValues, outputsToGive, type RunTensor } from './model-runtime.ts'
import { type OnnxFile, readOnnxFile } from './onnx-file.ts'
import { onFirstProvider } from './provider-choice.ts'

/**
 * Opens an ONNX model. `output` names the output that the bee needs, even if it is large. Throws WAGGLE_MODEL_SHAPE if an input or output cannot be
 * given as a tensor.
 */
export async function openOnnx(
  path: string,
  hardware: ModelHardware,
  output: string | undefined,
): Promise<{ runtime: ModelRuntime; warning: string | null }> {
  refuseForeignFile(path, 'onnx')
  const { classes, labels, strangeOutputs, shapeless, session, device, warning } = await load(path, hardware)
  const inputs = session.inputMetadata.map((input) => {
    if (shapeless.has(input.name)) throw withoutShape(path, input.name)
    return signatureOf(path, input)
  })
  const outputs = outputsToGive(
    session.outputMetadata
      .filter(({ isTensor }) => isTensor)
      .map((one) => signatureOf(path, one))
      .map((one) => (shapeless.has(one.name) ? { ...one, shape: [-1, -1], dimensions: ['', ''] } : one)),
    output,
  )
  if (outputs.length === 0 && strangeOutputs.length > 0) throw strange(path, strangeOutputs)
  if (inputs.length === 0 || outputs.length === 0) {
    throw new WaggleError('WAGGLE_MODEL_SHAPE', {
      message: `${path} has no input, or no output of at most ${maxNeededOutputValues} values a row`,
      next: 'Use a model that gives a small output.',
    })
  }
  const fetches = outputs.map(({ name }) => name)
  const datatypeOf = new Map(outputs.map(({ name, datatype }) => [name, datatype]))
  const runtime: ModelRuntime = {
    inputs,
    outputs,
    classes,
    ownLabels: () => labels,
    device,
    choice: null,
    async run(given) {
      const results = await session.run(Object.fromEntries(Object.entries(given).map(([name, tensor]) => [name, tensorOf(tensor)])), fetches)
      return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, runTensor(datatypeOf.get(name) ?? 'FP32', tensor)]))
    },
  }
  return { runtime, warning }
}

async function load(path: string, hardware: ModelHardware): Promise<OnnxFile & Awaited<ReturnType<typeof createSession>>> {
  try {
    const file = await readEnds(path)
    return { ...file, ...(await createSession(path, file.rewritten, hardware)) }
  } catch (cause) {
    throw unreadableOnnx(path, cause)
  }
}

/**
 * The outputs and labels that a model file describes. A file above `maxReadBytes` is not read, to save memory. Such a large file is a neural network,
 * and has no `ZipMap`.
 */
async function readEnds(path: string): Promise<OnnxFile> {
  const { size } = await stat(path)
  return size > maxReadBytes
    ? { rewritten: null, classes: null, labels: null, strangeOutputs: [], shapeless: new Set() }
    : readOnnxFile(await readFile(path))
}

const maxReadBytes = 512 * 1024 * 1024

export function tensorOf({ datatype, shape, data }: RunTensor): Tensor {
  const type = ortTypes[datatype]
  if (type !== 'float16') return new Tensor(type as 'string', data as string[], shape)
  // The bits of the numbers as integers, because the library's native part cannot read a Float16Array.
  const bits = new Uint16Array(Float16Array.from(data as Float32Array).buffer)
  return Object.defineProperty(new Tensor(type, bits, shape), 'data', { value: bits })
}

/** Copies the values, because the library frees the memory of a tensor when the tensor is collected. */
export function runTensor(datatype: ModelDatatype, { dims, data }: Tensor): RunTensor {
  if (datatype === 'BYTES') return { datatype, shape: dims, data: Array.from(data as string[]) }
  if (datatype === 'FP16') return { datatype, shape: dims, data: Float32Array.from(data as Iterable<number>) }
  return { datatype, shape: dims, data: (data as Float32Array).slice() }
}

function withoutShape(path: string, input: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_SHAPE', {
    message: `${path} has the input ${input} without a shape`,
    next: 'Export the model with a shape of this input. Free dimensions need no name.',
  })
}

function strange(path: string, outputs: readonly string[]): WaggleError {
  return new WaggleError('WAGGLE_MODEL_SHAPE', {
    message: `${path} gives ${outputs.join(', ')} as sequences or maps, which onnxruntime-node cannot read`,
    next: 'Export the model with outputs that are tensors: skl2onnx and onnxmltools have the option zipmap=False.',
  })
}

/** Opens a session on the first provider that this machine has. `rewritten` replaces the model in the file. */
export async function createSession(
  path: string,
  rewritten: Uint8Array | null,
  { gpu, threads }: ModelHardware,
): Promise<{ session: InferenceSession; device: string; warning: string | null }> {
  // At the default level, onnxruntime would log warnings on a machine without a GPU.
  env.logLevel = gpu > 0 ? 'warning' : 'error'
  // A failed run throws its error. At level 3, the library would also print the error to the terminal.
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' as const, logSeverityLevel: 4 as const }
  const { opened, device, warning } = await onFirstProvider({
    gpu,
    hasGpuProviders: hasProviders(providerFolder()),
    open: (provider) => {
      const given = { ...options, executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'] }
      return rewritten === null ? InferenceSession.create(path, given) : InferenceSession.create(rewritten, given)
    },
  })
  return { session: opened, device, warning }
}

function signatureOf(path: string, value: InferenceSession.ValueMetadata): TensorSignature {
  const datatype = value.isTensor ? ownMember(datatypes, value.type) : undefined
  if (!value.isTensor || datatype === undefined) {
    throw new WaggleError('WAGGLE_MODEL_SHAPE', {
      message: `${path} has ${value.name} as ${value.isTensor ? value.type : 'a sequence or a map'}, which is not supported`,
      next: `Export the model with a tensor in its place, of ${Object.keys(datatypes).join(', ')}.`,
    })
  }
  return {
    name: value.name,
    datatype,
    shape: value.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1)),
    dimensions: value.shape.map((size) => (typeof size === 'string' ? size : '')),
  }
}

/** The names that onnxruntime-node has for the types. */
const ortTypes = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
} as const satisfies { readonly [datatype in ModelDatatype]: string }

const datatypes = Object.fromEntries(Object.entries(ortTypes).map(([datatype, type]) => [type, datatype])) as {
  readonly [type: string]: ModelDatatype
}
