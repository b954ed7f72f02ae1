import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'

export default defineBee({
  type: 'merge',
  role: 'merge',
  summary: 'Passes on the first result of several bees: of the one branch that a request took, or of the fastest bee.',
  delivery: 'A result that comes later, or again after a crash, is dropped.',
  spec: Type.Object({}, { additionalProperties: false }),
  examples: [{}],
})
