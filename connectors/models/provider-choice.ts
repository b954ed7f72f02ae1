/** A model that is open on one of onnxruntime's providers. */
export interface ProviderChoice<T> {
  readonly opened: T
  readonly device: string
  /** The reason why the model runs on the CPU although its bee asks for a GPU; null if there is no such reason. */
  readonly warning: string | null
}

export interface ProviderOptions<T> {
  /** The number of GPUs that the bee asks for. */
  readonly gpu: number
  /** True if the libraries for GPUs are in onnxruntime's folder. */
  readonly hasGpuProviders: boolean
  /** Opens the model on a provider. Throws if the provider or one of its libraries is missing. */
  readonly open: (provider: 'tensorrt' | 'cuda' | 'cpu') => Promise<T>
}

/** Opens a model on TensorRT, else on CUDA, else on the CPU. Throws the error of the CPU if the CPU fails too. */
export async function onFirstProvider<T>({ gpu, hasGpuProviders, open }: ProviderOptions<T>): Promise<ProviderChoice<T>> {
  const reasons: string[] = []
  for (const provider of gpu > 0 && hasGpuProviders ? (['tensorrt', 'cuda'] as const) : []) {
    try {
      return { opened: await open(provider), device: `onnxruntime ${provider}`, warning: null }
    } catch (thrown) {
      reasons.push(`${provider}: ${thrown instanceof Error ? (thrown.message.split('\n', 1)[0] ?? '') : String(thrown)}`)
    }
  }
  const warning = gpu === 0 ? null : reasons.length === 0 ? absent : reasons.join('; ')
  return { opened: await open('cpu'), device: 'onnxruntime cpu', warning }
}

const absent = 'the providers for tensorrt and cuda are not beside onnxruntime-node’s addon; `waggle models setup-gpu` brings them'
