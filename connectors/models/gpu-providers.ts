import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** The libraries with which onnxruntime computes on NVIDIA's GPUs. `shared` is the bridge that both others need. */
export const providerFiles = ['shared', 'cuda', 'tensorrt'].map((name) => `libonnxruntime_providers_${name}.so`)

/** The root folder of the package onnxruntime-node. */
export function runtimeFolder(): string {
  return join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), '..')
}

/** The folder in which onnxruntime-node looks for its providers. */
export function providerFolder(): string {
  return join(runtimeFolder(), 'bin', 'napi-v6', process.platform, process.arch)
}

/** True if all providers are in the folder. If one is missing, onnxruntime would print to the terminal from native code. */
export function hasProviders(folder: string): boolean {
  return providerFiles.every((name) => existsSync(join(folder, name)))
}
