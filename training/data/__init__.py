"""What is trained on: files, filters, flow, encoded clips, synthetic scenes, batches."""
