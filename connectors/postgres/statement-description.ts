import type { Connection, FieldDef, Submittable } from 'pg'

/** Lets the server parse a statement and tell its types, without running the statement. `pg` calls these methods as the server's answers arrive. */
export class StatementDescription implements Submittable {
  readonly #text: string
  readonly #done: (error: Error | null) => void
  #forget = () => {}
  parameters: readonly number[] = []
  columns: readonly Pick<FieldDef, 'name' | 'dataTypeID'>[] = []

  constructor(text: string, done: (error: Error | null) => void) {
    this.#text = text
    this.#done = done
  }

  submit(connection: Connection): void {
    const onParameters = ({ dataTypeIDs }: { readonly dataTypeIDs: readonly number[] }) => {
      this.parameters = [...dataTypeIDs]
    }
    connection.once('parameterDescription', onParameters)
    this.#forget = () => connection.off('parameterDescription', onParameters)
    connection.parse({ text: this.#text, name: '', types: [] }, true)
    connection.describe({ type: 'S', name: '' }, true)
    connection.sync()
  }

  handleRowDescription({ fields }: { readonly fields: readonly FieldDef[] }): void {
    this.columns = fields
  }

  /** Rejects with the error. After an error `pg` drops the query, so it never calls `handleReadyForQuery`. */
  handleError(error: Error): void {
    this.#forget()
    this.#done(error)
  }

  handleReadyForQuery(): void {
    this.#forget()
    this.#done(null)
  }
}
