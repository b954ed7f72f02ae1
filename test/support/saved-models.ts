import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ModelRow, OpenModel } from '../../topology/swarm/ports/models.ts'

/** The folder of models that TensorFlow has saved, with the script that made them. */
export const savedModelsDirectory = resolve(import.meta.dirname, '..', 'connectors', 'models', 'saved-models')

interface SavedTensor {
  readonly shape: readonly number[]
  readonly values: readonly (number | boolean)[]
}

/** A model with rows, and TensorFlow's answers for the rows. */
export interface SavedModelCase {
  readonly model: string
  readonly spec: { readonly signature?: string }
  readonly inputs: { readonly [name: string]: SavedTensor }
  readonly outputs: { readonly [name: string]: SavedTensor }
}

export const savedModelCases = (
  JSON.parse(readFileSync(resolve(savedModelsDirectory, 'answers.json'), 'utf8')) as { readonly cases: readonly SavedModelCase[] }
).cases

/** Runs the rows of a case in one batch, and asserts that each output is within 1e-4 of TensorFlow's. */
export async function assertAnswers(model: OpenModel, { inputs, outputs }: SavedModelCase): Promise<void> {
  const rows = Object.values(inputs)[0]?.shape[0] ?? 0
  const results = await model.run(
    Array.from({ length: rows }, (_, row) => rowOf(model, inputs, row)),
    new AbortController().signal,
  )
  for (const { name } of model.signature.outputs) {
    const wanted = new Map(Object.entries(outputs)).get(name) ?? Object.values(outputs)[0]
    const width = (wanted?.values.length ?? 0) / rows
    results.forEach((result, row) => {
      const given = new Map(Object.entries(result.outputs)).get(name)?.values ?? []
      assert.equal(given.length, width, `${name} has ${width} values a row`)
      given.forEach((value, at) => {
        const expected = Number(wanted?.values[row * width + at])
        assert.ok(
          Math.abs(Number(value) - expected) <= 1e-4 * Math.max(1, Math.abs(expected)),
          `${name}[${row}][${at}]: ${value}, where TensorFlow has ${expected}`,
        )
      })
    })
  }
}

function rowOf(model: OpenModel, inputs: SavedModelCase['inputs'], row: number): ModelRow {
  const given = new Map(Object.entries(inputs))
  return {
    kind: 'tensors',
    tensors: model.signature.inputs.map(({ name, datatype }) => {
      const { shape, values } = given.get(name) ?? { shape: [], values: [] }
      const width = values.length / (shape[0] ?? 1)
      const own = values.slice(row * width, (row + 1) * width).map(Number)
      return {
        shape: shape.slice(1),
        data:
          datatype === 'INT32' ? Int32Array.from(own) : datatype === 'BOOL' || datatype === 'UINT8' ? Uint8Array.from(own) : Float32Array.from(own),
      }
    }),
  }
}
