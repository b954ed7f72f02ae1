import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** The libraries with which onnxruntime computes on NVIDIA's GPUs. The libraries `cuda` and `tensorrt` need the library `shared`. */
export const providerFiles = ['shared', 'cuda', 'tensorrt'].map((name) => `libonnxruntime_providers_${name}.so`)

/** The root folder of the package onnxruntime-node. */
export function runtimeFolder(): string {
  return join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), '..')
}

/** The folder in which onnxruntime-node searches for these libraries. */
export function providerFolder(): string {
  return join(runtimeFolder(), 'bin', 'napi-v6', process.platform, process.arch)
}

/** True if all these libraries are in the folder. If a library is missing, onnxruntime's native code would print an error to the terminal. */
export function hasProviders(folder: string): boolean {
  return providerFiles.every((name) => existsSync(join(folder, name)))
}
