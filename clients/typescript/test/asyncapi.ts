/** Loads docs/asyncapi.yaml and compiles its schemas to validators of messages. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Ajv, type AnySchema, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import { parse } from "yaml";

const PATH = new URL("../../../docs/asyncapi.yaml", import.meta.url);

interface Reference {
  $ref: string;
}

export interface Message {
  payload: Reference;
  examples?: { payload: unknown }[];
}

export interface Document {
  channels: Record<"events" | "audio", { address: string; messages: Record<string, Reference> }>;
  operations: Record<string, { messages: Reference[] }>;
  components: { messages: Record<string, Message>; schemas: Record<string, AnySchema> };
}

export const text = readFileSync(PATH, "utf8");
export const document = parse(text) as Document;

/**
 * Returns a validator for AsyncAPI's own schema. It is JSON Schema draft 7, like the schemas in the
 * document.
 */
export function metaSchema(): ValidateFunction {
  const schema = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0-without-$id.json") as AnySchema;
  return validators().compile(schema);
}

function validators(): Ajv {
  const ajv = new Ajv({ allErrors: false, strict: false });
  (addFormats as unknown as (ajv: Ajv) => void)(ajv);
  return ajv;
}

const ajv = validators();
ajv.addSchema({ ...document, $id: "asyncapi" } as AnySchema);
const compiled = new Map<string, ValidateFunction>();

/** Validates the payload of a message. Returns the errors, or null if it is valid. */
export function validationErrors(message: string, payload: unknown): string | null {
  const reference = document.components.messages[message]?.payload.$ref;
  if (reference === undefined) {
    return `the document has no message ${message}`;
  }
  const validate = compiled.get(reference) ?? ajv.compile({ $ref: `asyncapi${reference}` });
  compiled.set(reference, validate);
  return validate(payload) ? null : `${message}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(payload).slice(0, 600)}`;
}

/** Returns the document's name of a message of this `type`. */
export function messageOf(type: string): string {
  return type.replace(/\.(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** Returns every `$ref` of the document. */
export function references(value: unknown = document): string[] {
  if (Array.isArray(value)) {
    return value.flatMap(references);
  }
  if (typeof value !== "object" || value === null) {
    return [];
  }
  return Object.entries(value).flatMap(([name, member]) => (name === "$ref" ? [String(member)] : references(member)));
}

/** Returns the target of a reference inside the document. */
export function resolve(reference: string): unknown {
  const path = reference.replace(/^#\//, "").split("/");
  return path.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], document);
}
