import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'

export default defineBee({
  type: 'respond',
  role: 'respond',
  summary: 'Answers the caller with what it is given.',
  delivery: 'The first outcome of a request is stored and is the only one that any caller gets, however often anything is replayed.',
  spec: Type.Object({}, { additionalProperties: false }),
  examples: [{}],
})
