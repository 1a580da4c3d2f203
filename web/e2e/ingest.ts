/** Sends samples through the client. */

import { Client, type Sample } from "@earcon/client";

export { ordinary, spike } from "../../clients/typescript/test/samples.ts";

export async function ingest(url: string, samples: Sample[]): Promise<void> {
  const receipt = await new Client({ url }).ingest(samples);
  if (receipt.accepted !== samples.length) {
    throw new Error(`not all samples were accepted: ${JSON.stringify(receipt)}`);
  }
}
