import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ranForGpu } from './provider-files.ts'

/** The state of one provider of onnxruntime on this machine. */
export interface ProviderState {
  readonly provider: 'cuda' | 'tensorrt'
  /** Libraries that the provider needs and the system does not find. The provider can be loaded if the list is empty. */
  readonly missing: readonly string[]
}

/** The missing libraries of the providers in the folder, as `ldd` reports them. */
export async function checkProviders(folder: string): Promise<readonly ProviderState[]> {
  return Promise.all(
    (['cuda', 'tensorrt'] as const).map(async (provider) => {
      const path = join(folder, `libonnxruntime_providers_${provider}.so`)
      return { provider, missing: existsSync(path) ? missingIn(await ranForGpu('ldd', [path], 'Install ldd, which is part of glibc.')) : [path] }
    }),
  )
}

/** The names in lines such as `libcudart.so.13 => not found`. */
export function missingIn(ldd: string): readonly string[] {
  return [...ldd.matchAll(/^\s*(\S+) => not found$/gm)].map(([, name = '']) => name).sort()
}

/** The name of the package that contains a library. */
export function bringerOf(library: string): string {
  const found = bringers.find(([begins]) => library.startsWith(begins))
  return found?.[1] ?? 'a package of your system'
}

const bringers: readonly (readonly [begins: string, package_: string])[] = [
  ['libcuda.so', 'the NVIDIA driver'],
  ['libnvinfer', 'TensorRT'],
  ['libnvonnxparser', 'TensorRT'],
  ['libcudnn', 'cuDNN'],
  ['libcu', 'the CUDA toolkit'],
  ['libnv', 'the CUDA toolkit'],
]
