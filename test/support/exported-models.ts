import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** The folder of models in the form that scikit-learn, PyTorch and Keras export, of small graphs, and of the scripts that made them. */
export const exportsDirectory = resolve(import.meta.dirname, '..', 'connectors', 'models', 'exports')

/** One model, with requests and the answers that Python gave. */
export interface ExportedModel {
  readonly model: string
  readonly type: 'tensor-rt' | 'tf-serving'
  readonly spec: { readonly labels?: readonly string[]; readonly output?: string }
  readonly requests: readonly { readonly body: unknown; readonly answer: object }[]
}

export const exportedModels: readonly ExportedModel[] = ['scikit_learn', 'pytorch', 'keras_models', 'onnx_graphs'].flatMap((script) => {
  const { cases } = JSON.parse(readFileSync(resolve(exportsDirectory, `${script}.json`), 'utf8')) as { readonly cases: readonly ExportedModel[] }
  return cases.map((one) => ({ ...one, type: one.model.endsWith('.pb') ? ('tf-serving' as const) : ('tensor-rt' as const) }))
})

/** Asserts that two JSON values are equal. Numbers may differ by a millionth of their size, because libraries add up in different orders. */
export function assertClose(actual: unknown, expected: unknown, place: string): void {
  if (typeof expected === 'number' && typeof actual === 'number') {
    const isSame = Number.isInteger(expected) ? actual === expected : Math.abs(actual - expected) <= 2e-6 * Math.max(1, Math.abs(expected))
    assert.ok(isSame, `${place}: ${actual}, where Python has ${expected}`)
  } else if (expected !== null && typeof expected === 'object' && actual !== null && typeof actual === 'object') {
    assert.deepEqual(Object.keys(actual).toSorted(), Object.keys(expected).toSorted(), place)
    for (const [key, value] of Object.entries(expected)) assertClose((actual as { readonly [key: string]: unknown })[key], value, `${place}.${key}`)
  } else assert.deepEqual(actual, expected, place)
}
