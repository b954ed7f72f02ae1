import { Type } from 'typebox'

/** The schema of the body of every error. */
export const problemSchema = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String(),
    request_id: Type.String(),
    bee: Type.Optional(Type.String()),
  },
  { description: 'RFC 9457 problem details.' },
)
