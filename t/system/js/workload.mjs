// Stores, lists, reads, range-reads and deletes files with the AWS SDK for
// JavaScript in its default settings (checksums in trailers).
//   node workload.mjs ENDPOINT BUCKET KEY SECRET FILE...
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import assert from "node:assert";
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command,
         PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const [endpoint, Bucket, accessKeyId, secretAccessKey, ...files] = process.argv.slice(2);
const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true,
                              credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });

async function md5(stream) {
  const hash = createHash("md5");
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
}

for (const file of files) {
  const Key = "js dir/+" + basename(file) + " é";
  const size = statSync(file).size;
  const expected = await md5(createReadStream(file));
  const put = await client.send(new PutObjectCommand({
    Bucket, Key, Body: createReadStream(file), ContentLength: size, Metadata: { a: "b" } }));
  assert.strictEqual(put.ETag, `"${expected}"`);
  const head = await client.send(new HeadObjectCommand({ Bucket, Key }));
  assert.strictEqual(head.ContentLength, size);
  assert.strictEqual(head.Metadata.a, "b");
  const got = await client.send(new GetObjectCommand({ Bucket, Key }));
  assert.strictEqual(await md5(got.Body), expected);
  if (size > 10) {
    const part = await client.send(new GetObjectCommand({ Bucket, Key, Range: "bytes=3-9" }));
    assert.strictEqual(part.ContentRange, `bytes 3-9/${size}`);
    assert.strictEqual(await md5(part.Body), await md5(createReadStream(file, { start: 3, end: 9 })));
  }
  const list = await client.send(new ListObjectsV2Command({ Bucket, Prefix: "js dir/" }));
  assert.ok(list.Contents.some((o) => o.Key === Key && o.Size === size));
  await client.send(new DeleteObjectCommand({ Bucket, Key }));
  await assert.rejects(client.send(new HeadObjectCommand({ Bucket, Key })));
}
// Strings and buffers take another path through the SDK than streams.
for (const Body of ["", "x", "text with ü", Buffer.alloc(300000, 7)]) {
  await client.send(new PutObjectCommand({ Bucket, Key: "memory", Body }));
  const got = await client.send(new GetObjectCommand({ Bucket, Key: "memory" }));
  assert.deepStrictEqual(Buffer.from(await got.Body.transformToByteArray()), Buffer.from(Body));
}
await client.send(new DeleteObjectCommand({ Bucket, Key: "memory" }));
console.log("ok", files.length);
